import { afterEach, describe, expect, jest, test } from '@jest/globals';
import { setTimeout as sleep } from 'node:timers/promises';
import { findEtcd, startEtcd, type Etcd } from '../support/etcd.ts';
import { openPool, type Pool, type PoolNode, serverStatuses } from '../support/pool.ts';
import { skipped } from '../support/skip.ts';
import { until } from '../support/until.ts';

/** Nodes with a sidecar each, and one etcd: a rolling restart without a conductor, through etcd's faults. */

jest.setTimeout(150_000);

const TTL_MS = 5_000;
const found = await findEtcd();
if ('missing' in found) test('etcd is here', () => skipped(found.missing));

let pool: Pool | null = null;
let etcd: Etcd | null = null;
afterEach(async () => {
  await pool?.close();
  await etcd?.close();
  pool = etcd = null;
});

interface PoolTerms {
  readonly size?: number;
  readonly slots?: number;
  /** The pool is in use for longer than a lease. */
  readonly isKnown?: boolean;
}

/** By default three nodes: one that is out, and two that wait. */
async function open({ size = 3, slots = 1, isKnown = true }: PoolTerms = {}): Promise<{
  readonly pool: Pool;
  readonly etcd: Etcd;
}> {
  const started = await startEtcd((found as { program: string }).program);
  etcd = started;
  if (isKnown) await started.put('/lastcall/app/epoch', 'of-the-test');
  const lock = { etcd: { endpoints: [started.url], ttl: isKnown ? '5s' : '2m' } };
  pool = await openPool({ size, pool: { slots }, lock: () => lock });
  return { pool, etcd: started };
}

const restart = (node: PoolNode): ReturnType<PoolNode['ask']> => node.ask('restart', { waitForSlot: '120s' });

/** Whose claim has no lease. */
async function holderIn(etcd: Etcd, nodes: readonly PoolNode[]): Promise<PoolNode | undefined> {
  const keys = [...(await etcd.get('/lastcall/app/alive/')).keys()];
  return nodes.find(({ name }) => keys.some((key) => key.split('/').includes(name)));
}

('missing' in found ? describe.skip : describe)('A pool with etcd', () => {
  test('`restart` on all at once under users: none fails, none loses a session, and never more than 2 are out', async () => {
    const { pool } = await open({ size: 5, slots: 2 });
    const crowd = pool.users(30);
    await crowd.start();
    const watch = pool.watch();
    const results = await Promise.all(pool.nodes.map(restart));
    const seen = await watch.end();
    const report = await crowd.stop();
    expect(results.map(({ code }) => code)).toEqual(results.map(() => 'done'));
    expect(report).toMatchObject({ failed: 0, lost: 0 });
    // Two that are out are behind their fences at different times, perhaps.
    expect(seen.out).toBe(2);
    expect(seen.fenced).toBeLessThanOrEqual(2);
  });

  test('etcd is killed and started again in the middle: the one that is out comes back, the others go on with it', async () => {
    const { pool, etcd } = await open();
    const crowd = pool.users(30);
    await crowd.start();
    const watch = pool.watch();
    const restarting = Promise.all(pool.nodes.map(restart));
    await until('the first one is out', async () => (await serverStatuses(pool.haproxy)).includes('MAINT'));
    await etcd.kill();
    await sleep(TTL_MS * 1.5);
    await etcd.start();
    const results = await restarting;
    const seen = await watch.end();
    const report = await crowd.stop();
    expect(results.map(({ code }) => code)).toEqual(results.map(() => 'done'));
    expect(report).toMatchObject({ failed: 0, lost: 0 });
    expect([seen.fenced, seen.out]).toEqual([1, 1]);
  });

  test('etcd loses all its data while one is out: that one has its slot again before another begins', async () => {
    const { pool, etcd } = await open();
    const crowd = pool.users(30);
    await crowd.start();
    const watch = pool.watch();
    const restarting = Promise.all(pool.nodes.map(restart));
    await until('the first one is out', async () => (await serverStatuses(pool.haproxy)).includes('MAINT'));
    await etcd.kill();
    await etcd.start({ empty: true });
    const results = await restarting;
    const seen = await watch.end();
    const report = await crowd.stop();
    expect(results.map(({ code }) => code)).toEqual(results.map(() => 'done'));
    expect(report).toMatchObject({ failed: 0, lost: 0 });
    expect([seen.fenced, seen.out]).toEqual([1, 1]);
  });

  test('a holder that stands still beyond its lease while it is out keeps its slot, and the others wait for it', async () => {
    const { pool, etcd } = await open();
    const crowd = pool.users(30);
    await crowd.start();
    const watch = pool.watch();
    const restarting = Promise.all(pool.nodes.map(restart));
    await until('the first one is on its way', async () =>
      (await serverStatuses(pool.haproxy)).includes('DRAIN'),
    );
    const holder = await holderIn(etcd, pool.nodes);
    process.kill(holder?.agent.pid ?? 0, 'SIGSTOP');
    await until('its lease runs out', async () => (await etcd.get('/lastcall/app/alive/')).size === 0);
    // Nothing is freed while its server is out: the time in which another one could have begun.
    await sleep(TTL_MS);
    process.kill(holder?.agent.pid ?? 0, 'SIGCONT');
    const results = await restarting;
    const seen = await watch.end();
    const report = await crowd.stop();
    expect(results.map(({ code }) => code)).toEqual(results.map(() => 'done'));
    expect(report).toMatchObject({ failed: 0, lost: 0 });
    expect([seen.fenced, seen.out]).toEqual([1, 1]);
  });

  test('a pool that etcd does not know gives no slot at once, and says why', async () => {
    const { pool, etcd } = await open({ isKnown: false });
    await until('a sidecar has founded it', async () => (await etcd.get('/lastcall/app/')).size === 2);
    const [node] = pool.nodes;
    const words = 'etcd knew nothing of this pool (it is new, or its data was lost)';
    expect(await node?.ask('drain')).toMatchObject({
      code: 'locked',
      message: expect.stringContaining(words),
    });
    const waiting = node?.ask('drain', { waitForSlot: '60s' });
    // As if its time were over.
    await etcd.remove('/lastcall/app/founding');
    expect((await waiting)?.code).toBe('done');
  });

  test('etcd is down at the start: `locked`, and nothing is changed', async () => {
    const { pool, etcd } = await open();
    await etcd.kill();
    const [node] = pool.nodes;
    const result = await node?.ask('restart');
    expect(result).toMatchObject({
      code: 'locked',
      message: expect.stringContaining('etcd http://127.0.0.1'),
    });
    expect(await serverStatuses(pool.haproxy)).toEqual(pool.nodes.map(() => 'UP'));
  });
});
