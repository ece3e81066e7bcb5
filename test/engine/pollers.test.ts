import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { setImmediate as turn } from 'node:timers/promises';
import type { Balancer } from '../../agent/balancers/balancer.ts';
import { createPollers, type Pollers } from '../../agent/engine/pollers.ts';
import { createLastRuns } from '../../agent/engine/last-runs.ts';
import { lookScope } from '../../agent/lifecycle/phases/capacity.ts';
import { initial, type State } from '../../agent/lifecycle/model/state.ts';
import { statusOf } from '../../agent/lifecycle/report/status.ts';
import type { Source } from '../../agent/sessions/source.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { memoryLog } from '../support/memory-log.ts';
import { POLICY, scene } from '../support/world/scene.ts';

const policy = { ...POLICY, sources: ['stickTable'], userSources: ['stickTable'] };
const AT_REST_MS = 70_000;
type LookTerms = Parameters<Balancer['look']> extends [unknown, ...infer Terms] ? Terms : never;
const unasked = (): Promise<never> => Promise.reject(new Error('not asked here'));

/** A draining operation, as a scene comes to it. */
function operationOf(): NonNullable<State['op']> {
  const it = scene();
  it.site.visit();
  it.ask('drain');
  it.reach('draining');
  const { op } = it.sidecar.state;
  if (op === null) throw new Error('it drains nothing');
  return op;
}

/** A source that may be asked once in 70 s, and for an operation once in a tenth of what is left to its deadline. */
let clock: ManualClock;
let state: State;
let pollers: Pollers;
let began: number;
let asked: number[];
let looked: LookTerms[];
const draining = (leftMs: number): void => {
  state = { ...state, phase: 'draining', op: { ...operationOf(), deadline: clock.now() + leftMs } };
};
const forward = async (ms: number): Promise<void> => {
  clock.advance(ms);
  for (let turns = 0; turns < 3; turns += 1) await turn();
};

beforeEach(async () => {
  clock = new ManualClock();
  began = clock.now();
  asked = [];
  looked = [];
  const source: Source = {
    name: 'stickTable',
    minPauseMs: (leftMs) => (leftMs === undefined ? AT_REST_MS : leftMs / 10),
    count: () => (asked.push(clock.now() - began), Promise.resolve(20)),
  };
  state = { ...initial(policy, began), phase: 'serving' };
  const balancer: Balancer = {
    name: 'lb1',
    servers: ['app/app1'],
    counts: true,
    seesOldWorkers: true,
    look(_signal, ...terms) {
      looked.push(terms);
      return unasked();
    },
    survey: unasked,
    set: unasked,
    holders: unasked,
    closeSessions: unasked,
  };
  const ports = {
    clock,
    random: () => 0.5,
    log: memoryLog(),
    balancers: [balancer],
    sources: [source],
    stopper: null,
    starter: null,
    rebooter: null,
    identify: () => null,
    probing: null,
    gate: null,
    lock: null,
    warners: [],
    journal: { load: () => Promise.resolve({ kind: 'none' } as const), save: () => Promise.resolve() },
    bootId: 'boot',
    lastRuns: createLastRuns(),
  };
  pollers = createPollers(
    policy,
    ports,
    () => state,
    () => undefined,
    new AbortController().signal,
  );
  pollers.start();
  await forward(0);
});
afterEach(() => pollers.stop());

describe('a source that costs others time', () => {
  test('is not asked at rest, and status shows that', async () => {
    await forward(AT_REST_MS - 1);
    expect(asked).toEqual([0]);
    await forward(1);
    expect(asked).toEqual([0, AT_REST_MS]);
    const iso = (at: number): string => new Date(at).toISOString();
    const outlook = { eta: null, etaReason: null, curve: [], everyMs: pollers.countEveryMs() };
    const { sessions } = statusOf(policy, state, outlook as never, clock.now(), iso);
    expect(sessions.sources).toMatchObject([{ name: 'stickTable', every: AT_REST_MS / 1_000 }]);
  });

  test('is asked as soon as it may once an operation waits for it, and sooner where its deadline comes nearer', async () => {
    await forward(1_000);
    draining(300_000);
    pollers.reschedule();
    expect(pollers.countEveryMs()).toEqual({ stickTable: 30_000 });
    await forward(20_000);
    draining(220_000);
    pollers.reschedule();
    await forward(999);
    expect(asked).toEqual([0]);
    await forward(1);
    expect(asked).toEqual([0, 22_000]);
    draining(50_000);
    pollers.reschedule();
    await forward(5_000);
    expect(asked).toEqual([0, 22_000, 27_000]);
  });

  test('is asked at once where an operation needs its answer to go on, and after that as before', async () => {
    draining(300_000);
    pollers.reschedule();
    await forward(1_000);
    pollers.count('stickTable');
    await forward(0);
    expect(asked).toEqual([0, 1_000]);
    await forward(29_000);
    expect(asked).toEqual([0, 1_000]);
    await forward(2_000);
    expect(asked).toEqual([0, 1_000, 30_900]);
  });
});

describe('what a look is asked for', () => {
  test.each([
    ['serving', 'leave', 'own'],
    ['draining', 'count', 'capacity'],
    ['settling', 'count', 'capacity'],
    ['fencing', 'count', 'capacity'],
    ['drained', 'count', 'own'],
    ['stopping', 'count', 'own'],
    ['returning', 'leave', 'own'],
  ] as const)('%s: old workers %s, and %s', async (phase, ...terms) => {
    state = { ...state, phase };
    looked = [];
    pollers.poll('lb1');
    // It has failed before, so it waits.
    await forward(10_000);
    expect(looked.at(-1)).toEqual(terms);
  });

  test('a stop that is about to be issued asks for the others too, and where none are needed nothing does', async () => {
    state = { ...state, phase: 'drained', app: { ...state.app, stopIssued: true } };
    await forward(10_000);
    expect(looked.at(-1)).toEqual(['count', 'capacity']);
    expect(lookScope({ ...policy, keep: 0 }, state)).toBe('own');
  });
});
