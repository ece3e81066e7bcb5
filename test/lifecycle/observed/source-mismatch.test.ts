import { describe, expect, test } from '@jest/globals';
import type { Event } from '../../../agent/lifecycle/model/event.ts';
import { remainingSessions, userSessions } from '../../../agent/lifecycle/observed/counts.ts';
import type { State } from '../../../agent/lifecycle/model/state.ts';
import { step } from '../../../agent/lifecycle/step.ts';
import { POLICY, scene } from '../../support/world/scene.ts';

const policy = { ...POLICY, sources: ['http', 'stickTable', 'tcp'], userSources: ['http', 'stickTable'] };
const ADVICE = 'the operation waits for the larger number; see which of them is wrong';

/** A node that drains with one user, and a hand to give the sources their counts, once a second. */
function draining() {
  const it = scene({ sources: policy.sources });
  it.site.visit();
  it.time.advance(12_000);
  it.ask('drain');
  it.reach('draining');
  it.time.advance(1_000);
  let state: State = it.sidecar.state;
  let { now } = state;
  const take = (event: Event): void => {
    [state] = step(policy, state, event);
  };
  return {
    count(seconds: number, counts: Readonly<Record<string, number | null>>): void {
      for (let second = 0; second < seconds; second += 1) {
        now += 1_000;
        for (const [source, count] of Object.entries(counts)) {
          const about = { source, startedAt: now, at: now };
          if (count === null) take({ type: 'count-failed', ...about, error: 'no answer' });
          else take({ type: 'counted', ...about, count });
        }
      }
    },
    state: () => state,
    warnings: () => (state.op?.warnings ?? []).map(({ text }) => text),
  };
}

describe('Two sources that disagree', () => {
  test('are named, once, when it is more than a lag; the larger number counts', () => {
    const it = draining();
    it.count(4, { http: 0, stickTable: 5 });
    expect(it.warnings()).toEqual([]);
    it.count(4, { http: 0, stickTable: 4 });
    const text = `http counts no user, but stickTable counts users: ${ADVICE}`;
    expect(it.warnings()).toEqual([text]);
    expect(userSessions(policy, it.state())).toBe(4);
    expect(remainingSessions(policy, it.state())).toBeGreaterThanOrEqual(4);
    expect(it.state().phase).toBe('draining');
    it.count(60, { http: 3, stickTable: 0 });
    expect(it.warnings()).toEqual([text]);
  });

  test.each([
    ['both count a user, though not as many', { http: 9, stickTable: 2 }],
    ['both count no user', { http: 0, stickTable: 0, tcp: 0 }],
    ['one cannot count', { http: 0, stickTable: null, tcp: 0 }],
    ['users are known and none of them is connected just now', { http: 3, stickTable: 3, tcp: 0 }],
  ])('are not named while %s', (_what, counts) => {
    const it = draining();
    it.count(60, counts);
    expect(it.warnings()).toEqual([]);
  });

  test('are not named when one only lags behind the other, again and again', () => {
    const it = draining();
    for (let round = 0; round < 10; round += 1) {
      it.count(3, { http: 0, stickTable: 1 });
      it.count(3, { http: 1, stickTable: 1 });
    }
    expect(it.warnings()).toEqual([]);
  });

  test('are not named for what was before the operation', () => {
    const it = scene({ sources: policy.sources });
    const before = it.sidecar.state;
    let state = before;
    for (let second = 1; second <= 60; second += 1) {
      const at = before.now + second * 1_000;
      [state] = step(policy, state, { type: 'counted', source: 'http', count: 0, startedAt: at, at });
      [state] = step(policy, state, { type: 'counted', source: 'stickTable', count: 3, startedAt: at, at });
    }
    expect(state.op).toBeNull();
    expect(state.sources['http']?.answerSamples).toBeGreaterThanOrEqual(60);
    expect(state.alarms).toEqual({});
  });
});
