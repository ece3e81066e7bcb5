import { describe, expect, test } from '@jest/globals';
import { createLastRuns } from '../../agent/engine/last-runs.ts';
import type { FleetLock } from '../../agent/fleet/lock.ts';
import type { PoolPolicy } from '../../agent/lifecycle/model/policy.ts';
import type { PoolView, SlotHolder } from '../../agent/lifecycle/model/pool.ts';
import { createDisk, request, startEngine } from '../support/engine-on-disk.ts';
import { ManualClock } from '../support/manual-clock.ts';

describe('A caller gets the result of `ready` when another node can have the slot', () => {
  const POOL: PoolPolicy = {
    name: 'app',
    lock: ['file app.lock'],
    slots: 1,
    brake: 1,
    servers: {},
    balancers: {},
    seed: '0123456789',
  };

  /** A lock with one node, which gives a slot back when the test says so. */
  function createSlowLock(clock: ManualClock) {
    const holders: SlotHolder[] = [];
    let giveUp = (): void => undefined;
    const look = (): Promise<PoolView> =>
      Promise.resolve({ slots: 1, brake: 1, begun: clock.now(), holders: [...holders], waiters: [] });
    const entry = { since: 0, revision: '1', state: 'out', failure: null, alive: true } as const;
    const lock: FleetLock = {
      name: 'a lock of the test',
      look,
      mark: look,
      take(claim) {
        holders.splice(0, 1, { ...entry, claim });
        return look();
      },
      async give(_claim, signal) {
        await new Promise<void>((resolve, reject) => {
          giveUp = resolve;
          signal.addEventListener('abort', () => reject(signal.reason as Error));
        });
        holders.pop();
        return look();
      },
      free: () => Promise.resolve(false),
      close: () => Promise.resolve(),
    };
    return { lock, giveUp: () => giveUp(), holders };
  }

  test('which is when the lock has it back, and at most two seconds later', async () => {
    const clock = new ManualClock();
    const { lock, giveUp, holders } = createSlowLock(clock);
    const shared = { clock, lock, pool: POOL };
    const { engine: own, told, settle } = await startEngine(createDisk(), createLastRuns(), shared);
    const codes = (): string[] => told.map(({ id, code }) => `${id} ${code}`);
    for (const [drain, ready, how] of [
      ['d1', 'r1', 'given back'],
      ['d2', 'r2', 'too late'],
    ] as const) {
      told.splice(0);
      await own.submit(request(drain));
      await settle();
      expect(codes()).toEqual([`${drain} done`]);
      expect(holders).toHaveLength(1);
      await own.submit(request(ready, { kind: 'ready' }));
      await settle();
      expect(own.status()).toMatchObject({ phase: 'serving', operation: null });
      expect(own.result(ready)).toBe('running');
      expect(codes()).toEqual([`${drain} done`]);
      if (how === 'given back') giveUp();
      else {
        // A second has passed in the first settling.
        clock.advance(500);
        expect(codes()).toEqual([`${drain} done`]);
      }
      await settle();
      expect(codes()).toEqual([`${drain} done`, `${ready} done`]);
      expect(holders).toHaveLength(how === 'given back' ? 0 : 1);
    }
  });

  test('and no later than its engine ends', async () => {
    const clock = new ManualClock();
    const { lock } = createSlowLock(clock);
    const {
      engine: own,
      told,
      settle,
    } = await startEngine(createDisk(), createLastRuns(), {
      clock,
      lock,
      pool: POOL,
    });
    await own.submit(request('d1'));
    await settle();
    await own.submit(request('r1', { kind: 'ready' }));
    await settle();
    expect(own.result('r1')).toBe('running');
    await own.close();
    expect(told).toMatchObject([{ id: 'd1' }, { id: 'r1', code: 'done' }]);
  });
});
