import { describe, expect, test } from '@jest/globals';
import type { Balancer } from '../../agent/balancers/balancer.ts';
import { createPoolReport } from '../../agent/engine/pool-report.ts';
import type { FleetLock } from '../../agent/fleet/lock.ts';
import type { PoolServer } from '../../agent/lifecycle/model/pool-report.ts';
import { LastcallError } from '../../agent/system/error.ts';
import { claimOf } from '../support/claim.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { SimLock } from '../support/world/lock.ts';

const wrong = (): never => {
  throw new Error('only the pool is asked here');
};
const never = new AbortController().signal;
const nothing = (): null => null;
const UP: PoolServer = { name: 'app/app1', status: 'UP', seconds: 9, connections: 1, queued: 0 };

function balancer(name: string, backendServers?: Balancer['backendServers']): Balancer {
  const others = { look: wrong, survey: wrong, set: wrong, closeSessions: wrong, holders: wrong };
  const own = { name, servers: ['app/app1'], counts: true, seesOldWorkers: true };
  return { ...own, ...others, ...(backendServers && { backendServers }) };
}

/** A lock of which only the pool is read. */
function lockOf(look: FleetLock['look']): FleetLock {
  return { name: 'lock', look, take: wrong, mark: wrong, give: wrong, free: wrong, close: wrong };
}

describe('The report of a pool', () => {
  test('has the holders and waiters of the lock, and the servers of every balancer', async () => {
    const sim = new SimLock();
    const [one, two] = [claimOf('app', 'app1'), claimOf('app', 'app2')];
    sim.ask({ does: 'take', claim: one }, 0);
    sim.ask({ does: 'mark', claim: one, state: 'failed', failure: 'it did not start' }, 0);
    sim.ask({ does: 'take', claim: two }, 0);
    const ports = {
      clock: new ManualClock(),
      lock: lockOf(async () => sim.view(0)),
      balancers: [balancer('lb1', async () => [UP]), balancer('lb2')],
    };
    const report = await createPoolReport(ports, 'app', nothing, never)();
    expect(report).toMatchObject({
      at: '2026-01-01T00:00:00.000Z',
      lock: {
        pool: 'app',
        name: 'lock',
        error: null,
        slots: 1,
        holders: [{ node: 'app1', state: 'failed', failure: 'it did not start', alive: true }],
        waiters: [{ node: 'app2', operation: two.operation, by: two.by }],
      },
      balancers: [
        { name: 'lb1', error: null, servers: [UP] },
        { name: 'lb2', error: expect.stringContaining('only polls'), servers: [] },
      ],
    });
    expect(report.lock?.waiters[0]?.since).toMatch(/^\d{4}-\d\d-\d\dT[\d:]{8}Z$/);
  });

  test('says what cannot be asked, in its place: the rest is shown', async () => {
    const error = (target: string): LastcallError =>
      new LastcallError('locked', `${target} does not answer`, { target, next: 'see to it' });
    const ports = {
      clock: new ManualClock(),
      lock: lockOf(() => Promise.reject(error('etcd'))),
      balancers: [balancer('lb1', () => Promise.reject(error('lb1'))), balancer('lb2', async () => [UP])],
    };
    const { lock, balancers } = await createPoolReport(ports, 'app', nothing, never)();
    expect(lock).toMatchObject({ error: expect.stringContaining('etcd'), slots: null, holders: [] });
    expect(balancers).toMatchObject([
      { error: expect.stringContaining('lb1 does not answer'), servers: [] },
      { error: null, servers: [UP] },
    ]);
  });

  test('has a lock of at most a second ago and servers of at most two, however slow a balancer is, and says its age', async () => {
    const clock = new ManualClock();
    const asked = { lock: 0, slow: 0 };
    const slow = async (): Promise<PoolServer[]> => {
      asked.slow += 1;
      await Promise.resolve();
      clock.advance(5_000);
      return [UP];
    };
    const ports = {
      clock,
      lock: lockOf(async () => ((asked.lock += 1), new SimLock().view(0))),
      balancers: [balancer('quick', async () => [UP]), balancer('slow', slow)],
    };
    const report = createPoolReport(ports, 'app', nothing, never);
    await report();
    clock.advance(1_000);
    expect(clock.wall().getTime() - Date.parse((await report()).at)).toBeLessThanOrEqual(2_000);
    const before = { ...asked };
    clock.advance(1_000);
    await report();
    expect(asked).toEqual({ lock: before.lock + 1, slow: before.slow + 1 });
  });

  test('is asked once a second for all who watch, without a lock too', async () => {
    const clock = new ManualClock();
    let asked = 0;
    const ports = { clock, lock: null, balancers: [balancer('lb1', async () => ((asked += 1), [UP]))] };
    const report = createPoolReport(ports, '', nothing, never);
    expect((await Promise.all([report(), report()]))[0]?.lock).toBeNull();
    clock.advance(999);
    await report();
    expect(asked).toBe(1);
    clock.advance(1);
    await report();
    expect(asked).toBe(2);
  });
});
