import { afterEach, describe, expect, test } from '@jest/globals';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createStickTableSource } from '../../agent/sessions/stick-table.ts';
import type { Source } from '../../agent/sessions/source.ts';
import { realClock, type Clock } from '../../agent/system/clock.ts';
import { sourceContract } from '../contract/source.ts';
import { startFake } from '../support/fake-haproxy.ts';
import { targetAt, untilOld } from '../support/haproxy-target.ts';
import { startHaproxy, type Haproxy, type HaproxyOptions } from '../support/haproxy.ts';
import { never, refusalOf } from '../support/outcome.ts';
import { freePort } from '../support/ports.ts';
import { createShiftedClock, type ShiftedClock } from '../support/shifted-clock.ts';
import { addUsers } from '../support/stick-table.ts';
import { makeTempDir } from '../support/tempdir.ts';
import { until } from '../support/until.ts';

const EXPIRE_MS = 30 * 60_000;

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const DEFAULTS = 'defaults\n  mode http\n  timeout connect 1s\n  timeout client 5s\n  timeout server 5s\n';
const servers = (names: readonly string[]): string =>
  names.map((name) => `  server ${name} 127.0.0.1:1\n`).join('');
const backend = (name: string, names: readonly string[], more = ''): string =>
  `backend ${name}\n  stick-table type string len 32 size 200k expire 30m${more}\n` +
  `  stick on req.cook(S)\n${servers(names)}`;
const APP = DEFAULTS + backend('app', ['app1', 'app2']);

async function start(config: string, options: HaproxyOptions = {}): Promise<Haproxy> {
  const haproxy = await startHaproxy(config, options);
  cleanups.push(() => haproxy.stop());
  return haproxy;
}

interface Choice {
  readonly server?: string | null;
  readonly table?: string;
  readonly expireMs?: number | null;
  readonly timeoutMs?: number;
}

function sourceAt(paths: readonly string[], clock: Clock, choice: Choice = {}): Source {
  const { server = 'app/app1', table = 'app', expireMs = EXPIRE_MS, timeoutMs = 5_000 } = choice;
  const targets = paths.map((path) => targetAt(path, clock));
  return createStickTableSource({ kind: 'stickTable', table, server, expireMs, timeoutMs }, 'stickTable', {
    clock,
    targets,
  });
}

/** A source that has known these HAProxys for longer than their tables remember. */
async function agedSource(
  paths: readonly string[],
  choice: Choice = {},
): Promise<{ source: Source; clock: ShiftedClock }> {
  const clock = createShiftedClock();
  const source = sourceAt(paths, clock, choice);
  await refusalOf(() => source.count(never));
  clock.forward(EXPIRE_MS);
  return { source, clock };
}

sourceContract('a stick table', {
  numbers: [0, 1, 37],
  counting: async (users) => {
    const haproxy = await start(APP);
    await addUsers(haproxy.socket, { table: 'app', serverId: 1, count: users });
    return (await agedSource([haproxy.socket])).source;
  },
  absent: async (clock) => {
    const temp = await makeTempDir();
    cleanups.push(() => temp.remove());
    return sourceAt([join(temp.path, 'none.sock')], clock);
  },
  silent: async (clock) => {
    const fake = await startFake(() => undefined);
    cleanups.push(() => fake.stop());
    return sourceAt([fake.path], clock);
  },
});

describe('whose entries are counted', () => {
  test('those of this server, of a hundred thousand; the number in the header is all of them', async () => {
    const haproxy = await start(APP);
    await addUsers(haproxy.socket, { table: 'app', serverId: 1, count: 40_000 });
    await addUsers(haproxy.socket, { table: 'app', serverId: 2, count: 60_000, prefix: 'v' });
    expect(await haproxy.command('show table')).toContain('used:100000');
    const { source } = await agedSource([haproxy.socket]);
    expect(await source.count(never)).toBe(40_000);
    const other = await agedSource([haproxy.socket], { server: 'app/app2' });
    expect(await other.source.count(never)).toBe(60_000);
  });

  test('a node has another number in each backend, and each its own', async () => {
    const haproxy = await start(APP + backend('shop', ['app3', 'app2', 'app1']));
    await addUsers(haproxy.socket, { table: 'app', serverId: 1, count: 5 });
    await addUsers(haproxy.socket, { table: 'shop', serverId: 3, count: 7 });
    await addUsers(haproxy.socket, { table: 'shop', serverId: 1, count: 11, prefix: 'v' });
    const inApp = await agedSource([haproxy.socket]);
    const inShop = await agedSource([haproxy.socket], { server: 'shop/app1', table: 'shop' });
    expect(await inApp.source.count(never)).toBe(5);
    expect(await inShop.source.count(never)).toBe(7);
  });

  test('the number that a server has after a reload is found anew', async () => {
    const haproxy = await start(APP, { master: true });
    await addUsers(haproxy.socket, { table: 'app', serverId: 1, count: 3 });
    const { source, clock } = await agedSource([haproxy.socket]);
    expect(await source.count(never)).toBe(3);
    await haproxy.rewrite(DEFAULTS + backend('app', ['app0', 'app2', 'app1']));
    await haproxy.reload();
    await addUsers(haproxy.socket, { table: 'app', serverId: 1, count: 9, prefix: 'v' });
    await addUsers(haproxy.socket, { table: 'app', serverId: 3, count: 2 });
    await refusalOf(() => source.count(never));
    clock.forward(EXPIRE_MS);
    expect(await source.count(never)).toBe(2);
  });

  test('the largest number of several HAProxys', async () => {
    const [one, other] = [await start(APP), await start(APP)];
    await addUsers(one.socket, { table: 'app', serverId: 1, count: 3 });
    await addUsers(other.socket, { table: 'app', serverId: 1, count: 8 });
    const { source } = await agedSource([one.socket, other.socket]);
    expect(await source.count(never)).toBe(8);
  });
});

describe('when the last one will be gone if no user clicks any more', () => {
  test('is the longest life left of those of this server, at any HAProxy', async () => {
    const [one, other] = [await start(APP), await start(APP)];
    const { source } = await agedSource([one.socket, other.socket]);
    expect(source.atMostMs?.()).toBe(0);
    await addUsers(one.socket, { table: 'app', serverId: 2, count: 1 });
    await source.count(never);
    expect(source.atMostMs?.()).toBe(0);
    await addUsers(other.socket, { table: 'app', serverId: 1, count: 2 });
    await source.count(never);
    expect(source.atMostMs?.()).toBeGreaterThan(EXPIRE_MS - 60_000);
    expect(source.atMostMs?.()).toBeLessThanOrEqual(EXPIRE_MS);
  });

  test('is not known before the first count', async () => {
    const haproxy = await start(APP);
    expect(sourceAt([haproxy.socket], realClock).atMostMs?.()).toBeNull();
  });
});

describe('unknown', () => {
  test('as soon as one of several HAProxys is gone', async () => {
    const [one, other] = [await start(APP), await start(APP)];
    const { source } = await agedSource([one.socket, other.socket]);
    expect(await source.count(never)).toBe(0);
    await other.stop();
    expect(await refusalOf(() => source.count(never))).toMatchObject({
      code: 'failed',
      target: other.socket,
    });
  });

  test('while HAProxy is frozen, and known again after it', async () => {
    const haproxy = await start(APP);
    await addUsers(haproxy.socket, { table: 'app', serverId: 1, count: 4 });
    const { source } = await agedSource([haproxy.socket], { timeoutMs: 2_000 });
    expect(await source.count(never)).toBe(4);
    await haproxy.kill('SIGSTOP');
    const refusal = await refusalOf(() => source.count(never));
    expect(refusal).toMatchObject({ code: 'failed', target: haproxy.socket });
    // The deadline is over the whole count: what came before this question is no longer in it.
    const told = /no (?:answer|end of the answer \(\d+ bytes so far\)) within (\d+) ms/;
    expect(refusal.message).toMatch(told);
    const [, withinMs] = told.exec(refusal.message) ?? [];
    expect(Number(withinMs)).toBeLessThanOrEqual(2_000);
    await haproxy.kill('SIGCONT');
    expect(await source.count(never)).toBe(4);
  });

  test('from a socket of level user, which shows no entries', async () => {
    const temp = await makeTempDir();
    cleanups.push(() => temp.remove());
    const path = join(temp.path, 'user.sock');
    const haproxy = await start(`global\n  stats socket ${path} mode 600 level user\n${APP}`);
    await addUsers(haproxy.socket, { table: 'app', serverId: 1, count: 4 });
    const refusal = await refusalOf(() => sourceAt([path], realClock).count(never));
    expect(refusal).toMatchObject({ code: 'failed', next: expect.stringContaining('level operator') });
    const { source } = await agedSource([haproxy.operatorSocket]);
    expect(await source.count(never)).toBe(4);
  });

  test.each([
    [{ table: 'nope' }, 'has no stick table nope'],
    [{ table: 'plain' }, 'stores no servers'],
    [{ server: 'app/app9' }, 'has no server app9'],
  ])('for %j, with the reason', async (choice, reason) => {
    const plain = 'backend plain\n  stick-table type ip size 1k expire 1m store gpc0\n';
    const haproxy = await start(APP + plain);
    const source = sourceAt([haproxy.socket], realClock, choice);
    expect((await refusalOf(() => source.count(never))).message).toContain(reason);
  });

  test('and no key of anybody is ever told', async () => {
    const haproxy = await start(APP);
    await addUsers(haproxy.socket, { table: 'app', serverId: 1, count: 4, prefix: 'SECRET' });
    const refusal = await refusalOf(() => sourceAt([haproxy.socket], realClock).count(never));
    expect(refusal.message).toContain('(4 are)');
    expect(JSON.stringify([refusal.message, refusal.target, refusal.next])).not.toContain('SECRET');
  });
});

describe('after a reload', () => {
  const peers = (port: number, names: readonly string[] = ['app1', 'app2']): string =>
    `global\n  localpeer me\n${DEFAULTS}peers us\n  bind 127.0.0.1:${port}\n  server me\n` +
    backend('app', names, ' peers us');

  test('without peers the table is empty, and unknown for as long as it would have remembered', async () => {
    const haproxy = await start(APP, { master: true });
    await addUsers(haproxy.socket, { table: 'app', serverId: 1, count: 5 });
    const { source, clock } = await agedSource([haproxy.socket]);
    expect(await source.count(never)).toBe(5);
    await haproxy.reload();
    const refusal = await refusalOf(() => source.count(never));
    expect(refusal).toMatchObject({ code: 'failed', next: expect.stringContaining('peers') });
    expect(refusal.message).toContain('remembers them for 1800 s');
    clock.forward(EXPIRE_MS / 2);
    await refusalOf(() => source.count(never));
    clock.forward(EXPIRE_MS / 2);
    expect(await source.count(never)).toBe(0);
  });

  test('with peers the new worker knows what the old one knew, and says so', async () => {
    const haproxy = await start(peers(await freePort()), { master: true });
    await addUsers(haproxy.socket, { table: 'app', serverId: 1, count: 5 });
    // A worker that has just begun hands no entries on.
    await untilOld(haproxy.socket, 6);
    const { source } = await agedSource([haproxy.socket]);
    expect(await source.count(never)).toBe(5);
    await haproxy.reload();
    await until('the new worker has been taught', async () => {
      try {
        return (await source.count(never)) === 5;
      } catch {
        return false;
      }
    });
  });

  test('with peers, but with another number for the server, its users of before are not found', async () => {
    const port = await freePort();
    const haproxy = await start(peers(port), { master: true });
    await addUsers(haproxy.socket, { table: 'app', serverId: 1, count: 5 });
    await untilOld(haproxy.socket, 6);
    const { source } = await agedSource([haproxy.socket]);
    expect(await source.count(never)).toBe(5);
    await haproxy.rewrite(peers(port, ['app0', 'app2', 'app1']));
    await haproxy.reload();
    await until('the new worker has been taught', async () =>
      (await haproxy.command('show table app')).includes('used:5'),
    );
    expect((await refusalOf(() => source.count(never))).message).toContain('(0 are)');
  });

  test('with peers, but from a worker too young to teach, nothing is believed; if it teaches, all is', async () => {
    const haproxy = await start(peers(await freePort()), { master: true });
    await addUsers(haproxy.socket, { table: 'app', serverId: 1, count: 5 });
    const { source } = await agedSource([haproxy.socket]);
    expect(await source.count(never)).toBe(5);
    await haproxy.reload();
    await untilOld(haproxy.socket, 1);
    // In 2.6 it does not teach, and in 2.4 and from 3.0 on it does.
    const table = await haproxy.command('show table app');
    if (table.includes('used:5')) expect(await source.count(never)).toBe(5);
    else {
      expect(table).toContain('used:0');
      expect((await refusalOf(() => source.count(never))).message).toContain('reload or restart');
    }
  });

  test('with peers, but after a restart, from which no worker is left to teach, nothing is believed', async () => {
    const haproxy = await start(peers(await freePort()), { master: true });
    await addUsers(haproxy.socket, { table: 'app', serverId: 1, count: 5 });
    const { source } = await agedSource([haproxy.socket]);
    expect(await source.count(never)).toBe(5);
    await haproxy.restart();
    await untilOld(haproxy.socket, 1);
    expect(await haproxy.command('show table app')).toContain('used:0');
    expect((await refusalOf(() => source.count(never))).message).toContain('reload or restart');
  });
});

describe('a table whose `expire` is not written down', () => {
  test('is measured by its entries: unknown until the worker is twice as old as the longest has left', async () => {
    const haproxy = await start(APP);
    await addUsers(haproxy.socket, { table: 'app', serverId: 1, count: 2 });
    const { source, clock } = await agedSource([haproxy.socket], { expireMs: null });
    expect((await refusalOf(() => source.count(never))).message).toContain('remembers them for 3600 s');
    clock.forward(EXPIRE_MS);
    expect(await source.count(never)).toBe(2);
    await haproxy.command('clear table app');
    expect(await source.count(never)).toBe(0);
  });

  test('is unknown while no user was ever seen in it', async () => {
    const haproxy = await start(APP);
    const { source } = await agedSource([haproxy.socket], { expireMs: null });
    expect(await refusalOf(() => source.count(never))).toMatchObject({
      code: 'failed',
      next: expect.stringContaining('expire'),
    });
  });

  test('and one that is written down too short is not believed', async () => {
    const haproxy = await start(APP);
    await addUsers(haproxy.socket, { table: 'app', serverId: 1, count: 2 });
    const { source } = await agedSource([haproxy.socket], { expireMs: 1_000 });
    expect(await source.count(never)).toBe(2);
    const young = sourceAt([haproxy.socket], realClock, { expireMs: 1 });
    expect((await refusalOf(() => young.count(never))).message).toContain('remembers them for 1800 s');
  });
});

test('an entry comes with the first answer, not with the request: until then only the connection is there', async () => {
  let answer = (): void => undefined;
  const app = createServer((_request, response) => {
    answer = () => void response.setHeader('set-cookie', 'S=abc').end('hello');
    app.emit('asked');
  });
  app.listen(0, '127.0.0.1');
  await once(app, 'listening');
  cleanups.push(() => new Promise((resolve) => app.close(resolve)));
  const port = await freePort();
  const haproxy = await start(
    `${DEFAULTS}listen app\n  bind 127.0.0.1:${port}\n  option http-server-close\n` +
      '  stick-table type string len 32 size 1k expire 30m\n' +
      '  stick store-response res.cook(S)\n  stick match req.cook(S)\n' +
      `  server app1 127.0.0.1:${(app.address() as AddressInfo).port}\n`,
  );
  const { source } = await agedSource([haproxy.socket]);
  const asked = once(app, 'asked');
  const visit = fetch(`http://127.0.0.1:${port}/`, { headers: { connection: 'close' } });
  await asked;
  expect(await source.count(never)).toBe(0);
  answer();
  await (await visit).text();
  expect(await source.count(never)).toBe(1);
});

test('each click of a user whose entry `stick match` finds begins its life anew', async () => {
  const app = createServer(({ url }, response) => {
    if (url === '/login') response.setHeader('set-cookie', 'S=abc');
    response.end('hello');
  });
  app.listen(0, '127.0.0.1');
  await once(app, 'listening');
  cleanups.push(() => new Promise((resolve) => app.close(resolve)));
  const port = await freePort();
  const haproxy = await start(
    `${DEFAULTS}listen app\n  bind 127.0.0.1:${port}\n  stick-table type string len 32 size 1k expire 30m\n` +
      '  stick store-response res.cook(S)\n  stick match req.cook(S)\n' +
      `  server app1 127.0.0.1:${(app.address() as AddressInfo).port}\n`,
  );
  const { source } = await agedSource([haproxy.socket]);
  const leftMs = async (): Promise<number> => {
    await source.count(never);
    return source.atMostMs?.() ?? 0;
  };
  const visit = async (path: string): Promise<void> => {
    const headers = { connection: 'close', cookie: 'S=abc' };
    await (await fetch(`http://127.0.0.1:${port}${path}`, { headers })).text();
  };
  await visit('/login');
  expect(await leftMs()).toBeGreaterThan(0);
  await until('half a second of its life has gone', async () => (await leftMs()) < EXPIRE_MS - 500);
  const before = await leftMs();
  await visit('/page');
  expect(await leftMs()).toBeGreaterThan(before);
});
