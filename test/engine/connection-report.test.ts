import { describe, expect, test } from '@jest/globals';
import type { Balancer } from '../../agent/balancers/balancer.ts';
import { createConnectionReport } from '../../agent/engine/connection-report.ts';
import type { Holders } from '../../agent/lifecycle/model/observation.ts';
import { LastcallError } from '../../agent/system/error.ts';
import { ManualClock } from '../support/manual-clock.ts';

const NOBODY: Holders = { requests: 0, tunnels: 0, queued: 0, idle: 0, oldest: [] };

/** A balancer of which only the holders are asked; anything else is a mistake. */
function balancer(name: string, holders: (server: string) => Promise<Holders>, counts = true): Balancer {
  const wrong = (): never => {
    throw new Error('only the holders are asked here');
  };
  return {
    name,
    servers: [`${name}/app1`, `${name}/app2`],
    counts,
    seesOldWorkers: true,
    look: wrong,
    survey: wrong,
    set: wrong,
    closeSessions: wrong,
    holders,
  };
}

const never = new AbortController().signal;
const nothing = (): null => null;

describe('Who holds the node', () => {
  test('is asked of every server of every balancer that counts, the oldest of all first', async () => {
    const clock = new ManualClock();
    const tunnel = (ageSeconds: number) => ({ kind: 'tunnel', ageSeconds, worker: 1 }) as const;
    const one = balancer('lb1', async () => ({ ...NOBODY, tunnels: 12, oldest: [tunnel(900), tunnel(1)] }));
    const two = balancer('lb2', async () => ({ ...NOBODY, idle: null, oldest: [tunnel(7_000)] }));
    const poller = balancer('lb3', () => Promise.reject(new Error('never asked')), false);
    const report = await createConnectionReport({ clock, balancers: [one, two, poller] }, nothing, never)();
    expect(report.at).toBe('2026-01-01T00:00:00.000Z');
    expect(
      report.servers.map(({ balancer: at, server, tunnels, idle }) => [at, server, tunnels, idle]),
    ).toEqual([
      ['lb1', 'lb1/app1', 12, 0],
      ['lb1', 'lb1/app2', 12, 0],
      ['lb2', 'lb2/app1', 0, null],
      ['lb2', 'lb2/app2', 0, null],
    ]);
    expect(report.oldest.map(({ ageSeconds }) => ageSeconds)).toEqual([7_000, 7_000, 900, 900, 1, 1]);
    expect(report.oldest[0]).toEqual({ ...tunnel(7_000), balancer: 'lb2', server: 'lb2/app1' });
  });

  test('is unknown where a balancer cannot be asked, with the reason, and known for the others', async () => {
    const error = new LastcallError('balancer-unreachable', 'no answer', {
      target: 'lb1',
      next: 'look at it',
    });
    const dead = balancer('lb1', () => Promise.reject(error));
    const alive = balancer('lb2', async () => ({ ...NOBODY, requests: 3 }));
    const { servers } = await createConnectionReport(
      { clock: new ManualClock(), balancers: [dead, alive] },
      nothing,
      never,
    )();
    expect(servers[0]).toMatchObject({ requests: null, tunnels: null, queued: null, idle: null });
    expect(servers[0]?.error).toContain('no answer');
    expect(servers[2]).toMatchObject({ requests: 3, error: null });
  });

  test('is not asked of a balancer that is known to be silent: its reason is there at once', async () => {
    const frozen = balancer('lb1', () => Promise.reject(new Error('never asked')));
    const alive = balancer('lb2', async () => ({ ...NOBODY, requests: 3 }));
    const silent = (name: string): string | null => (name === 'lb1' ? 'no answer for 5 s' : null);
    const ask = createConnectionReport(
      { clock: new ManualClock(), balancers: [frozen, alive] },
      silent,
      never,
    );
    const errors = (await ask()).servers.map(({ error }) => error);
    expect(errors).toEqual(['no answer for 5 s', 'no answer for 5 s', null, null]);
  });

  test('is asked once for all who ask at a time, and again only after a while that grows with the cost', async () => {
    const clock = new ManualClock();
    let asked = 0;
    let cost = 0;
    const holders = createConnectionReport(
      {
        clock,
        balancers: [
          balancer('lb1', async () => {
            asked += 1;
            clock.advance(cost);
            return NOBODY;
          }),
        ],
      },
      nothing,
      never,
    );
    const reports = await Promise.all([holders(), holders(), holders()]);
    expect(new Set(reports).size).toBe(1);
    expect(asked).toBe(2);
    clock.advance(1_999);
    expect(await holders()).toBe(reports[0]);
    clock.advance(1);
    cost = 200;
    expect(await holders()).not.toBe(reports[0]);
    expect(asked).toBe(4);
    clock.advance(7_999);
    await holders();
    expect(asked).toBe(4);
    clock.advance(1);
    cost = 60_000;
    await holders();
    expect(asked).toBe(6);
    // One that is frozen costs time and not work.
    clock.advance(30_000);
    await holders();
    expect(asked).toBe(8);
  });
});
