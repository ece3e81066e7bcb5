import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { occupancy } from '../../../agent/lifecycle/observed/counts.ts';
import { initial, type State } from '../../../agent/lifecycle/model/state.ts';
import { step } from '../../../agent/lifecycle/step.ts';
import { runs } from '../../support/long.ts';
import { POLICY } from '../../support/world/scene.ts';

const count = fc.constantFrom(null, 0, 0, 0, 1, 7);

describe('A count', () => {
  test('is zero only where every source says zero: unknown is never zero', () => {
    fc.assert(
      fc.property(count, count, count, fc.boolean(), fc.boolean(), (serving, queued, users, lost, failed) => {
        const said = occupancy(POLICY, stateWith({ serving, queued, users, lost, failed }), 0);
        const known = !lost && serving !== null && queued !== null && !failed && users !== null;
        if (said === 'zero') expect([known, serving, queued, users]).toEqual([true, 0, 0, 0]);
        const isSeen = !lost && (serving ?? 0) + (queued ?? 0) > 0;
        if (isSeen || (!failed && users)) expect(said).toBe('some');
        if (known) expect(said).toBe(serving + queued + users > 0 ? 'some' : 'zero');
      }),
      { numRuns: runs(500) },
    );
  });

  test('is some where the current worker shows a connection, though an old one cannot be asked', () => {
    const seen = { serving: null, queued: 0, users: 0, lost: false, failed: false };
    expect(occupancy(POLICY, stateWith(seen), 0)).toBe('unknown');
    expect(occupancy(POLICY, stateWith({ ...seen, atLeast: 0 }), 0)).toBe('unknown');
    expect(occupancy(POLICY, stateWith({ ...seen, atLeast: 1 }), 0)).toBe('some');
  });

  test('that was asked for before a change says nothing about after it', () => {
    const state = stateWith({ serving: 0, queued: 0, users: 0, lost: false, failed: false });
    expect(occupancy(POLICY, state, 10)).toBe('zero');
    expect(occupancy(POLICY, state, 11)).toBe('unknown');
  });
});

interface Seen {
  readonly serving: number | null;
  readonly atLeast?: number;
  readonly queued: number | null;
  readonly users: number | null;
  readonly lost: boolean;
  readonly failed: boolean;
}

/** What a look and a count, both begun at 10, have made known. */
function stateWith({ serving, atLeast = 0, queued, users, lost, failed }: Seen): State {
  const server = { name: 'app/app1', admin: 'ready', origin: 'none', operational: 'up' } as const;
  const view = { ...server, connections: serving, atLeast, queued, total: 0, weight: 1, counters: null };
  const look = { worker: { pid: 1, bornAt: 0 }, workers: null, unseen: null, uncounted: [], servers: [view] };
  const looked = step(POLICY, initial(POLICY, 0), {
    type: 'polled',
    balancer: 'lb1',
    look,
    startedAt: 10,
    at: 12,
  })[0];
  const counted =
    users === null
      ? looked
      : step(POLICY, looked, { type: 'counted', source: 'http', count: users, startedAt: 10, at: 12 })[0];
  const failing = failed
    ? step(POLICY, counted, { type: 'count-failed', source: 'http', error: 'no', startedAt: 11, at: 13 })[0]
    : counted;
  return lost
    ? step(POLICY, failing, { type: 'poll-failed', balancer: 'lb1', error: 'no', at: 14 })[0]
    : failing;
}
