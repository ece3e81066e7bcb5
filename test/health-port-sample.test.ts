import { afterEach, describe, expect, test } from '@jest/globals';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { load } from './config/support.ts';
import { createBrowser, type Browser } from './fixtures/browser.ts';
import { HEALTH_SAMPLE, openHealthSite, type HealthSite, type NodeName } from './support/health-site.ts';
import { told } from './support/rig.ts';
import { RELOAD, searchPath } from './support/sample.ts';
import { skipped } from './support/skip.ts';
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

describe('haproxy/health-port.cfg', () => {
  test('signs a draining node out, keeps its user, and leaves it once he is gone, over a reload too', async () => {
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
    // The cookie that he still has is no way in any more.
    expect(await nodeOf(user)).toBe('app1');

    expect(await told(app2.cli('ready'))).toMatchObject({ code: 0, json: { phase: 'serving' } });
    await untilShown(site, 'app2', 'status', 'UP');
  });

  test('keeps a node UP while its sidecar is restarted, at the pace that it is shipped with', async () => {
    const site = await siteOf();
    await untilShown(site, 'app1', 'check_status', 'L7OK');
    await site.agents.app1.kill();
    // The worst moment: one check has failed, so the next one must not.
    await untilShown(site, 'app1', 'check_status', 'L4CON');
    const began = performance.now();
    await site.sidecar('app1');
    const seconds = (performance.now() - began) / 1000;
    await untilShown(site, 'app1', 'check_status', 'L7OK');
    // The next check came within the 5 seconds of CHECK_INTER, and the sample promises nothing to a slower sidecar.
    if (seconds > 4) return skipped(`on this machine a sidecar takes ${seconds.toFixed(1)} s to start`);
    expect(await site.stat('app1', 'chkdown')).toBe('0');
    expect(await site.stat('app1', 'status')).toBe('UP');
  });

  test('is valid as it is shipped, and so is what it says to write at each node', async () => {
    const env = { ...process.env, PATH: searchPath() };
    await expect(execute('haproxy', ['-c', '-q', '-f', HEALTH_SAMPLE], { env })).resolves.toBeDefined();
    const [written = ''] = SAMPLE.split('# To use it');
    const yaml = Array.from(written.matchAll(/^# {3}(.*)$/gm), ([, line]) => `${line}\n`).join('');
    expect(await load(yaml)).toMatchObject({ ok: true, warnings: [] });
  });

  test('never asks for what would throw users out', () => {
    const lines = SAMPLE.split('\n').filter((line) => !line.trim().startsWith('#'));
    expect(lines.join('\n')).not.toMatch(/on-marked-down|persist|use-server|maxidle|maxlife|fastinter/);
  });
});
