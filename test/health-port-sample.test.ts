import { afterEach, describe, expect, test } from '@jest/globals';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { load } from './config/support.ts';
import { createBrowser, type Browser } from './fixtures/browser.ts';
import { HEALTH_SAMPLE, openHealthSite, type HealthSite, type NodeName } from './support/health-site.ts';
import { told } from './support/rig.ts';
import { RELOAD, searchPath } from './support/sample.ts';
import { until } from './support/until.ts';

const execute = promisify(execFile);
const SAMPLE = readFileSync(HEALTH_SAMPLE, 'utf8');

const open: HealthSite[] = [];
afterEach(async () => {
  for (const site of open.splice(0)) await site.close();
});

async function siteOf(inter?: string): Promise<HealthSite> {
  const site = await openHealthSite(inter);
  open.push(site);
  return site;
}

const visitorOf = (site: HealthSite): Browser =>
  createBrowser({ url: site.url, keepAlive: false, timeoutMs: 5000 });
const nodeOf = async (browser: Browser, path = '/'): Promise<string> =>
  (JSON.parse((await browser.get(path)).body) as { node: string }).node;

/** The nodes on which a dozen people without a cookie end up. */
const newcomersOf = async (site: HealthSite): Promise<string[]> => {
  const nodes = await Promise.all(Array.from({ length: 12 }, () => nodeOf(visitorOf(site))));
  return [...new Set(nodes)].toSorted();
};

const untilShown = (site: HealthSite, name: NodeName, figure: string, value: string): Promise<true> =>
  until(`${figure} of ${name} is ${value}`, async () => (await site.stat(name, figure)) === value);

/** CHECK_INTER of the sample, in seconds. */
const SHIPPED_INTER = Number(/presetenv CHECK_INTER +(\d+)s/.exec(SAMPLE)?.[1]);

/**
 * Ends the sidecar of app1, waits for the worst moment, that one check has failed so the next one must not, and starts it.
 * @returns how many seconds after that check it was there again, at the most
 */
async function restartAtWorst(site: HealthSite): Promise<number> {
  await untilShown(site, 'app1', 'check_status', 'L7OK');
  await site.agents.app1.kill();
  let before = performance.now();
  await until('a check has failed', async () => {
    const asked = performance.now();
    if ((await site.stat('app1', 'check_status')) === 'L4CON') return true;
    before = asked;
    return false;
  });
  await site.sidecar('app1');
  return (performance.now() - before) / 1_000;
}

describe('haproxy/health-port.cfg', () => {
  test('signs a draining node out, keeps its user, and leaves it once the user is gone, over a reload too', async () => {
    const site = await siteOf('1s');
    const { app2 } = site.agents;
    for (const name of ['app1', 'app2'] as const) await untilShown(site, name, 'check_status', 'L7OK');
    const user = await until('a user of app2', async () => {
      const browser = visitorOf(site);
      return (await nodeOf(browser)) === 'app2' && browser;
    });
    expect(user.cookie('SRV')).toBe('app2');

    const draining = told(app2.cli('drain'));
    await untilShown(site, 'app2', 'status', 'NOLB');
    expect(await nodeOf(user)).toBe('app2');
    expect(await newcomersOf(site)).toEqual(['app1']);

    // A new worker spreads its first checks over the interval, and that of app2 is not the first one.
    const pid = await site.haproxy.workerPid();
    await execute(RELOAD, [site.socket, site.stateFile, 'kill', '-USR2', String(site.haproxy.pid)]);
    await until('another worker answers', async () => (await site.haproxy.workerPid()) !== pid);
    expect(await newcomersOf(site)).toEqual(['app1']);
    expect(await nodeOf(user)).toBe('app2');

    expect(await nodeOf(user, '/logout')).toBe('app2');
    expect(await draining).toMatchObject({ code: 0, json: { phase: 'drained', sessions: { last: 0 } } });
    await untilShown(site, 'app2', 'status', 'DOWN');
    // The user's old cookie is no way in any more.
    expect(await nodeOf(user)).toBe('app1');

    expect(await told(app2.cli('ready'))).toMatchObject({ code: 0, json: { phase: 'serving' } });
    await untilShown(site, 'app2', 'status', 'UP');
  });

  test('keeps a node UP while its sidecar is restarted, at the pace that it is shipped with', async () => {
    // The sample promises that to a sidecar which is there again before the next check: on a machine where it takes
    // longer than the shipped pace allows, the next round has a slower one.
    const tries: string[] = [];
    for (const inter of [SHIPPED_INTER, 15, 40]) {
      const site = await siteOf(inter === SHIPPED_INTER ? undefined : `${inter}s`);
      const seconds = await restartAtWorst(site);
      await untilShown(site, 'app1', 'check_status', 'L7OK');
      if (seconds < inter) {
        expect(await site.stat('app1', 'chkdown')).toBe('0');
        expect(await site.stat('app1', 'status')).toBe('UP');
        return;
      }
      tries.push(`${seconds.toFixed(1)} s`);
      await site.close();
    }
    throw new Error(`a sidecar was not there again before the next check: ${tries.join(', ')}`);
  }, 240_000);

  test('is valid as it is shipped, and so is what it says to write at each node', async () => {
    const env = { ...process.env, PATH: searchPath() };
    await expect(execute('haproxy', ['-c', '-q', '-f', HEALTH_SAMPLE], { env })).resolves.toBeDefined();
    const [written = ''] = SAMPLE.split('# To use it');
    const yaml = Array.from(written.matchAll(/^# {3}(.*)$/gm), ([, line]) => `${line}\n`).join('');
    expect(await load(yaml)).toMatchObject({ ok: true, warnings: [] });
  });

  test('never asks for what would throw users out', () => {
    const lines = SAMPLE.split('\n').filter((line) => !line.trim().startsWith('#'));
    expect(lines.join('\n')).not.toMatch(/on-marked-|persist|use-server|maxidle|maxlife|fastinter/);
  });
});
