import { expect, test } from '@jest/globals';
import type { Operation } from '../../../agent/lifecycle/model/operation.ts';
import { initial, type State } from '../../../agent/lifecycle/model/state.ts';
import { NO_SERVER } from '../../../agent/lifecycle/model/server-state.ts';
import { surveyReloaded } from '../../../agent/lifecycle/observed/surroundings.ts';
import type { Draft } from '../../../agent/lifecycle/step-draft.ts';
import { POLICY } from '../../support/world/scene.ts';

/** A drain at a HAProxy that was reloaded; our last write was answered at 10, and a poll that began at `startedAt` was too. */
function surveysAfter(startedAt: number): readonly string[] {
  const blank = initial(POLICY, 0);
  const lb1 = blank.balancers['lb1'];
  if (!lb1) throw new Error('the policy has no balancer lb1');
  const servers = {
    'app/app1': {
      ...NO_SERVER,
      found: { admin: 'ready' as const, weight: 100 },
      inSync: true,
      write: { ...NO_SERVER.write, answeredAt: 10 },
    },
  };
  const state: State = {
    ...blank,
    phase: 'draining',
    op: { id: 'drain-1' } as Operation,
    balancers: { lb1: { ...lb1, reloaded: { asked: null }, startedAt, servers } },
  };
  const draft: Draft = { policy: POLICY, at: 20, state, effects: [] };
  surveyReloaded(draft);
  return draft.effects.map(({ type }) => type);
}

test('after a reload the survey waits for a poll that began after our last write was answered', () => {
  expect(surveysAfter(9)).toEqual([]);
  expect(surveysAfter(10)).toEqual(['survey']);
});
