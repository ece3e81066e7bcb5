import { expect, test } from '@jest/globals';
import { once } from 'node:events';
import { connect } from 'node:net';
import type { Client } from '../../agent/haproxy/client.ts';
import { createStickTableSource } from '../../agent/sessions/stick-table.ts';
import { targetAt } from '../support/haproxy-target.ts';
import { never } from '../support/outcome.ts';
import { freePort } from '../support/ports.ts';
import { createShiftedClock } from '../support/shifted-clock.ts';
import { addUsers } from '../support/stick-table.ts';
import { APP, cleanups, EXPIRE_MS, start } from '../support/stick-table-source.ts';
import { until } from '../support/until.ts';

const USERS = 20_000;

test('a table is read in bursts while a user is connected to its HAProxy, and without a pause where none is', async () => {
  const port = await freePort();
  const haproxy = await start(`${APP}frontend web\n  bind 127.0.0.1:${port}\n  default_backend app\n`);
  await addUsers(haproxy.socket, { table: 'app', serverId: 1, count: USERS });
  const clock = createShiftedClock();
  const paused: (number | null)[] = [];
  const target = targetAt(haproxy.socket, clock);
  const streamReply: Client['streamReply'] = async (...call) => {
    await target.client.streamReply(...call);
    paused.push(call[4]?.pausedMs() ?? null);
  };
  const source = createStickTableSource(
    { kind: 'stickTable', table: 'app', server: 'app/app1', expireMs: EXPIRE_MS, timeoutMs: 20_000 },
    'stickTable',
    { clock, targets: [{ ...target, client: { ...target.client, streamReply } }] },
  );
  clock.forward(EXPIRE_MS);
  const connections = async (): Promise<string | undefined> =>
    /^CurrConns: (\d+)$/m.exec(await haproxy.command('show info'))?.[1];

  await source.count(never).catch(() => undefined);
  expect(paused).toEqual([null]);
  clock.forward(EXPIRE_MS);
  const user = connect(port, '127.0.0.1');
  cleanups.push(() => Promise.resolve(user.destroy()));
  await once(user, 'connect');
  await until('HAProxy has accepted the user', async () => (await connections()) === '1');
  expect(await source.count(never)).toBe(USERS);
  expect(paused[1]).toBeGreaterThan(0);

  user.destroy();
  await until('the user has left', async () => (await connections()) === '0');
  expect(await source.count(never)).toBe(USERS);
  expect(paused[2]).toBeNull();
});
