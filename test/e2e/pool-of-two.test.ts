import { afterEach, expect, jest, test } from '@jest/globals';
import { openPool, type Pool, type PoolNode, serverStatuses } from '../support/pool.ts';
import { patience } from '../support/rig.ts';

/** Two nodes and the default `drain.keep` of 1: while one of them is out the other one is the last. */

jest.setTimeout(120_000);

let pool: Pool | undefined;
afterEach(async () => {
  await pool?.close();
  pool = undefined;
});

async function open(): Promise<readonly [PoolNode, PoolNode]> {
  pool = await openPool({ size: 2 });
  return pool.nodes as [PoolNode, PoolNode];
}

test('`restart --wait-for-slot` of the second one, asked for while the first is in DRAIN or MAINT, waits for its turn', async () => {
  const [one, two] = await open();
  const crowd = (pool as Pool).users(12);
  await crowd.start();
  const watched = (pool as Pool).watch();
  const first = one.ask('restart');
  await one.agent.reaches('draining');
  const second = two.ask('restart', { waitForSlot: '60s' });
  const results = await Promise.all([first, second]);
  const seen = await watched.end();
  const report = await crowd.stop();
  expect(results.map(({ code, message }) => [code, message])).toEqual([
    ['done', undefined],
    ['done', undefined],
  ]);
  expect(report).toMatchObject({ failed: 0, lost: 0 });
  expect([seen.fenced, seen.out]).toEqual([1, 1]);
});

test('where the slot is free the guard refuses at once, and the slot is given back', async () => {
  const [one, two] = await open();
  await one.kill();
  await two.untilServing(patience());
  const { haproxy } = pool as Pool;
  while ((await serverStatuses(haproxy))[0] !== 'DOWN') await new Promise((resolve) => setImmediate(resolve));
  expect(await two.ask('restart', { waitForSlot: '60s' })).toMatchObject({
    code: 'guard',
    message: expect.stringContaining('would leave 0 other usable servers'),
  });
  expect((await two.agent.client.pool(patience())).lock).toMatchObject({ holders: [], waiters: [] });
});
