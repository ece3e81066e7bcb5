import { describe, expect, test } from '@jest/globals';
import { createForecaster } from '../../agent/engine/forecast.ts';
import type { Phase } from '../../agent/lifecycle/model/api.ts';
import { initial, type State } from '../../agent/lifecycle/model/state.ts';
import type { Source } from '../../agent/sessions/source.ts';
import { POLICY } from '../support/world/scene.ts';

const policy = { ...POLICY, sources: ['stickTable', 'http'] };
const START = 1_000_000;

interface Counts {
  readonly stickTable: number | null;
  readonly http: number | null;
  readonly connections?: number;
}

/** The node in that phase, with these counts, so many seconds after the start. */
function at(seconds: number, phase: Phase, { connections = 0, ...counts }: Counts): State {
  const now = START + seconds * 1_000;
  const state = initial(policy, now);
  const server = {
    name: 'app/app1',
    admin: 'drain',
    origin: 'forced',
    operational: 'up',
    connections,
    queued: 0,
    total: 0,
    weight: 1,
    counters: null,
  } as const;
  const lb1 = state.balancers['lb1'];
  if (lb1 === undefined) throw new Error('the policy has no lb1');
  const source = (count: number | null) => ({
    count,
    startedAt: now,
    at: now,
    changedAt: now,
    answerSince: now,
    answerSamples: 1,
    error: count === null ? 'no answer' : null,
  });
  const look = { worker: { pid: 1, bornAt: 0 }, workers: 1, unseen: null, uncounted: [], servers: [server] };
  return {
    ...state,
    phase,
    balancers: { lb1: { ...lb1, look, startedAt: now, at: now } },
    sources: { stickTable: source(counts.stickTable), http: source(counts.http) },
  };
}

function sources(bound: { stickTable?: number | null; http?: number | null }): Source[] {
  return (['stickTable', 'http'] as const).map((name) => {
    const ms = bound[name];
    const source = { name, count: () => Promise.reject(new Error('nobody counts here')) };
    return ms === undefined ? source : { ...source, atMostMs: () => ms };
  });
}

const users = (count: number | null): Counts => ({ stickTable: count, http: count });

describe('The outlook', () => {
  test('is empty while no node goes out', () => {
    const forecaster = createForecaster(policy, []);
    for (const phase of ['serving', 'drained', 'stopped', 'returning'] as const) {
      const state = at(1, phase, users(9));
      forecaster.record(state);
      expect(forecaster.forecast(state, state.now)).toEqual({ eta: null, etaReason: null, curve: [] });
    }
  });

  test('is the course of the larger of users and connections, and when it ends', () => {
    const forecaster = createForecaster(policy, []);
    let state = at(0, 'draining', users(40));
    for (let second = 0; second <= 30; second += 1) {
      state = at(second, 'draining', { ...users(40 - second), connections: second === 5 ? 60 : 0 });
      forecaster.record(state);
    }
    const { eta, etaReason, curve } = forecaster.forecast(state, state.now);
    expect(curve.slice(0, 7)).toEqual([40, 39, 38, 37, 36, 60, 34]);
    expect(eta?.seconds).toBeGreaterThan(0);
    expect(etaReason).toBeNull();
  });

  test('begins anew with each outing', () => {
    const forecaster = createForecaster(policy, []);
    for (const [second, phase] of ['draining', 'settling', 'drained', 'returning', 'draining'].entries()) {
      forecaster.record(at(second, phase as Phase, users(second)));
    }
    const now = at(5, 'draining', users(7));
    forecaster.record(now);
    expect(forecaster.forecast(now, now.now).curve).toEqual([4, 7]);
  });

  test('has the longest bound of the sources that still count a user, less the time since they were asked', () => {
    const ask = (counts: Counts, bounds: Parameters<typeof sources>[0]) => {
      const forecaster = createForecaster(policy, sources(bounds));
      const state = at(0, 'draining', counts);
      forecaster.record(state);
      return forecaster.forecast(state, state.now + 10_000).eta?.atMost ?? null;
    };
    expect(ask({ stickTable: 3, http: 0 }, { stickTable: 90_000 })).toBe(80);
    expect(ask({ stickTable: 3, http: 2 }, { stickTable: 90_000, http: 120_000 })).toBe(110);
    expect(ask({ stickTable: 3, http: 2 }, { stickTable: 90_000 })).toBeNull();
    expect(ask({ stickTable: 3, http: 2 }, { stickTable: 90_000, http: null })).toBeNull();
    expect(ask({ stickTable: null, http: 0 }, { stickTable: 90_000 })).toBeNull();
  });

  test('knows nothing while a count is unknown', () => {
    const forecaster = createForecaster(policy, []);
    const state = at(9, 'draining', { stickTable: null, http: 4 });
    forecaster.record(state);
    expect(forecaster.forecast(state, state.now)).toMatchObject({
      eta: null,
      etaReason: 'the number of users left is unknown',
      curve: [null],
    });
  });
});
