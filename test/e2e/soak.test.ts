import { afterEach, expect, jest, test } from '@jest/globals';
import { patience } from '../support/rig.ts';
import { openPool, type Pool, type PoolNode } from '../support/pool.ts';
import { until } from '../support/until.ts';

/** `return.soak` with real HAProxys, sidecars and a lock (INVARIANTS.md#i5). */

jest.setTimeout(120_000);

let pool: Pool | null = null;
afterEach(async () => {
  await pool?.close();
  pool = null;
});

const open = async (soak: string): Promise<[PoolNode, PoolNode]> => {
  pool = await openPool({ size: 3, sections: () => ({ return: { soak } }) });
  return pool.nodes as unknown as [PoolNode, PoolNode];
};

const heldAs = async (node: PoolNode): Promise<string | undefined> =>
  (await node.agent.client.status(patience())).slot?.holders[0]?.state;

test('the next node begins when the one before has been well for so long', async () => {
  const [one, two] = await open('3s');
  expect((await one.ask('restart')).code).toBe('done');
  const backAt = performance.now();
  await until('it soaks', async () => (await heldAs(one)) === 'soaking');
  expect((await two.ask('drain')).code).toBe('locked');
  expect((await two.ask('drain', { waitForSlot: '60s' })).code).toBe('done');
  expect(performance.now() - backAt).toBeGreaterThan(3_000);
});

test('a node that fails in its soak keeps its slot, the others end `braked`, and `ready` there releases them', async () => {
  const [one, two] = await open('5s');
  expect((await one.ask('restart')).code).toBe('done');
  const waits = two.ask('restart', { waitForSlot: '60s' });
  await until('it waits', async () => (await two.agent.client.status(patience())).slot?.is === 'waits');
  await one.kill();
  const refused = await waits;
  expect(refused.code).toBe('braked');
  expect(refused.message).toMatch(/app1 did not come back \(it failed in its soak: /);
  const { alarms } = await one.agent.client.status(patience());
  expect(alarms.join()).toMatch(/lastcall ready/);
  expect((await one.ask('ready')).code).toBe('done');
  expect((await two.ask('restart', { waitForSlot: '60s' })).code).toBe('done');
});
