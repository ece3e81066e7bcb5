import { describe, expect, test } from '@jest/globals';
import { join } from 'node:path';
import { realClock } from '../../agent/system/clock.ts';
import { untilOld } from '../support/haproxy-target.ts';
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

  test('and no key of a user is ever shown', async () => {
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
