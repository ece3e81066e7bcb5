import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createBrowser, type Browser } from './fixtures/browser.ts';
import { ask } from './support/haproxy.ts';
import { RELOAD, SAMPLE, searchPath } from './support/sample.ts';
import { openSite, type Site } from './support/site.ts';
import { until } from './support/until.ts';

const execute = promisify(execFile);

let site: Site;
beforeAll(async () => {
  site = await openSite({}, new AbortController().signal);
});
afterAll(() => site.close());

const visitor = (): Browser => createBrowser({ url: site.url, keepAlive: false, timeoutMs: 5000 });
const nodeOf = async (browser: Browser): Promise<string> =>
  (JSON.parse((await browser.get('/')).body) as { node: string }).node;

/** A user whose session is on this node. */
const userOf = (node: string): Promise<Browser> =>
  until(`a user of ${node}`, async () => {
    const browser = visitor();
    return (await nodeOf(browser)) === node && browser;
  });

/** The nodes on which two dozen people without a cookie end up. */
const newcomers = (): Promise<string[]> => Promise.all(Array.from({ length: 24 }, () => nodeOf(visitor())));

const untilStatus = (server: string, pattern: RegExp): Promise<true> =>
  until(`${server} is ${pattern.source}`, async () =>
    pattern.test((await site.statuses()).get(server) ?? ''),
  );

async function workerPid(): Promise<string> {
  return /^Pid: (\d+)$/m.exec(await ask(site.haproxy.socket, 'show info'))?.[1] ?? '';
}

describe('haproxy/haproxy.cfg', () => {
  test('is valid as it is shipped', async () => {
    const env = { ...process.env, PATH: searchPath() };
    await expect(execute('haproxy', ['-c', '-q', '-f', SAMPLE], { env })).resolves.toBeDefined();
  });

  test('never asks for what would throw users out', () => {
    const lines = readFileSync(SAMPLE, 'utf8')
      .split('\n')
      .filter((line) => !line.trim().startsWith('#'));
    expect(lines.join('\n')).not.toMatch(/on-marked-|force-persist|use-server|maxidle|maxlife/);
  });

  test('binds a user to a node, also in DRAIN, where no new user comes', async () => {
    const user = await userOf('app2');
    expect(user.cookie('SRV')).toBe('app2');
    await ask(site.haproxy.socket, 'set server app/app2 state drain');
    expect(await nodeOf(user)).toBe('app2');
    expect(await newcomers()).not.toContain('app2');
    await ask(site.haproxy.socket, 'set server app/app2 state ready');
    expect(await nodeOf(user)).toBe('app2');
  });

  test('treats an application that signs itself out with a 404 as drained', async () => {
    const user = await userOf('app3');
    await fetch(`${site.nodes[2]?.url}/sign-out`);
    await untilStatus('app3', /NOLB/);
    expect(await nodeOf(user)).toBe('app3');
    expect(await newcomers()).not.toContain('app3');
    await fetch(`${site.nodes[2]?.url}/sign-in`);
    await untilStatus('app3', /^UP/);
  });
});

describe('haproxy/haproxy.cfg, where the application answers late', () => {
  let late: Site;
  beforeAll(async () => {
    late = await openSite({ checkInter: '100ms', logsHealth: true }, new AbortController().signal);
  });
  afterAll(() => late.close());

  // Without `timeout check` the first check after a reload is late after `inter`, and takes the server DOWN at once.
  test('right after a reload that forgot everything, its users keep their sessions', async () => {
    const [, other, node] = late.nodes;
    if (other === undefined || node === undefined) throw new Error('the site has three nodes');
    const user = await until(`a user of ${node.name}`, async () => {
      const browser = createBrowser({ url: late.url, keepAlive: false, timeoutMs: 30_000 });
      return (await nodeOf(browser)) === node.name && browser;
    });
    const pid = Number(readFileSync(node.pidFile, 'utf8'));
    process.kill(pid, 'SIGSTOP');
    try {
      await late.haproxy.reload(false);
      const answered = (await other.goodHealth()).length;
      await until('its neighbour has answered ten checks', async () => {
        return (await other.goodHealth()).length >= answered + 10;
      });
      expect((await late.statuses()).get(node.name)).toMatch(/^UP/);
    } finally {
      process.kill(pid, 'SIGCONT');
    }
    const page = JSON.parse((await user.get('/')).body) as { node: string; lost: boolean };
    expect(page).toMatchObject({ node: node.name, lost: false });
  });
});

describe('haproxy/reload.sh', () => {
  const reload = (socket: string): Promise<unknown> =>
    execute(RELOAD, [socket, site.haproxy.stateFile, 'kill', '-USR2', String(site.haproxy.pid)]);

  test('reloads, and a drained server is still drained', async () => {
    await ask(site.haproxy.socket, 'set server app/app1 state drain');
    const before = await workerPid();
    await reload(site.haproxy.socket);
    await until('another worker answers', async () => (await workerPid()) !== before);
    expect((await site.statuses()).get('app1')).toMatch(/^DRAIN/);
    expect(await newcomers()).not.toContain('app1');
    await ask(site.haproxy.socket, 'set server app/app1 state ready');
  });

  test('reloads nothing when HAProxy gives no state, and leaves the old file alone', async () => {
    const before = readFileSync(site.haproxy.stateFile, 'utf8');
    const pid = await workerPid();
    await expect(reload(join(site.dir, 'no-such.sock'))).rejects.toMatchObject({
      code: 69,
      stderr: expect.stringContaining('nothing was reloaded'),
    });
    expect(await workerPid()).toBe(pid);
    expect(readFileSync(site.haproxy.stateFile, 'utf8')).toBe(before);
  });
});
