import { describe, expect, test } from '@jest/globals';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { realClock } from '../../agent/system/clock.ts';
import { sourceContract } from '../contract/source.ts';
import { startFake } from '../support/fake-haproxy.ts';
import { never, refusalOf } from '../support/outcome.ts';
import { freePort } from '../support/ports.ts';
import { addUsers } from '../support/stick-table.ts';
import { makeTempDir } from '../support/tempdir.ts';
import { until } from '../support/until.ts';
import {
  EXPIRE_MS,
  APP,
  DEFAULTS,
  agedSource,
  backend,
  cleanups,
  sourceAt,
  start,
} from '../support/stick-table-source.ts';

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
