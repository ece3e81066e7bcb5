import { beforeEach, expect, test } from '@jest/globals';
import { NO_SIGNS } from '../../agent/engine/life-signs.ts';
import { createProcessWatch } from '../../agent/engine/process-watch.ts';
import { NEW_OUTING } from '../../agent/lifecycle/model/outing.ts';
import { initial, type State } from '../../agent/lifecycle/model/state.ts';
import type { Proof } from '../../agent/lifecycle/model/observation.ts';
import type { Stopper } from '../../agent/app/contracts.ts';
import { LastcallError } from '../../agent/system/error.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { POLICY } from '../support/world/scene.ts';

/** A process that a pid file names: which one lives, and which one the file names. */
let clock: ManualClock;
let state: State;
let told: object[];
let living: Proof | null;
let named: Proof;
let answers: boolean;
let look: () => Promise<void>;

const OLD: Proof = { pid: 100, startTime: '1' };
const NEW: Proof = { pid: 200, startTime: '2' };
const unasked = (): never => {
  throw new Error('not asked here');
};

const silence = (): never => {
  throw new LastcallError('failed', 'no answer');
};

beforeEach(() => {
  clock = new ManualClock();
  told = [];
  answers = false;
  living = OLD;
  named = OLD;
  const blank = initial(POLICY, clock.now());
  state = { ...blank, phase: 'serving', app: { ...blank.app, proof: OLD } };
  const stopper: Stopper = {
    isIdempotent: true,
    proves: true,
    stop: unasked,
    gone: (proof) => (proof?.pid === living?.pid ? 'alive' : 'gone'),
    async check() {
      if (living?.pid === named.pid) return named;
      throw new LastcallError('app-stop', 'it is not running');
    },
  };
  const http = { name: 'http', count: async () => (answers ? 3 : silence()) };
  // What it counts is left of users, whether an application lives or not.
  const files = { name: 'files', count: async () => 5 };
  const ports = { stopper, clock, sources: [http, files], balancers: [] };
  const { signal } = new AbortController();
  look = createProcessWatch(
    POLICY,
    ports,
    () => state,
    (happening) => void told.push(happening),
    signal,
  );
});

test('a process that has ended is reported as gone when it was seen so twice, a second apart', async () => {
  await look();
  living = null;
  await look();
  clock.advance(999);
  await look();
  expect(told).toEqual([]);
  clock.advance(1);
  await look();
  expect(told).toEqual([{ type: 'app-gone', signs: NO_SIGNS }]);
});

test('what answers in its place is reported with it, again and again, until the lifecycle believes it', async () => {
  answers = true;
  living = null;
  await look();
  clock.advance(1_000);
  await look();
  const told1 = { type: 'app-gone', signs: { ...NO_SIGNS, counts: { http: 3 } } };
  expect(told).toEqual([told1]);
  // No proof any more, and not gone: it is asked on.
  state = { ...state, app: { ...state.app, proof: null } };
  await look();
  expect(told).toHaveLength(1);
  clock.advance(1_000);
  answers = false;
  await look();
  expect(told).toEqual([told1, { type: 'app-gone', signs: NO_SIGNS }]);
  // Believed, it is asked for only where it is to be stopped.
  state = { ...state, app: { ...state.app, gone: true } };
  clock.advance(5_000);
  await look();
  expect(told).toHaveLength(2);
});

test('one that has replaced itself is never gone, also while its pid file still names the old process', async () => {
  living = NEW;
  await look();
  clock.advance(999);
  named = NEW;
  await look();
  expect(told).toEqual([{ type: 'app-back', proof: NEW }]);
  state = { ...state, app: { ...state.app, proof: NEW } };
  clock.advance(2_000);
  await look();
  expect(told).toHaveLength(1);
});

test('the second begins anew with another process', async () => {
  living = null;
  await look();
  clock.advance(600);
  state = { ...state, app: { ...state.app, proof: NEW } };
  await look();
  clock.advance(600);
  await look();
  expect(told).toEqual([]);
  clock.advance(400);
  await look();
  expect(told).toEqual([{ type: 'app-gone', signs: NO_SIGNS }]);
});

test('one of which no process was ever seen is looked for less and less often, where its node has failed in DRAIN', async () => {
  living = null;
  answers = true;
  const app = { ...state.app, proof: null };
  state = { ...state, phase: 'failed', health: 'down', app, outing: NEW_OUTING };
  const times: number[] = [];
  const began = clock.now();
  for (let second = 0; second < 100; second += 1) {
    const before = told.length;
    await look();
    if (told.length > before) times.push((clock.now() - began) / 1_000);
    clock.advance(1_000);
  }
  expect(times).toEqual([1, 3, 7, 15, 31, 61, 91]);
  // Its users are its own as long as it may live; in MAINT it has none.
  state = { ...state, outing: { ...NEW_OUTING, level: 'maint' } };
  const before = told.length;
  clock.advance(60_000);
  await look();
  expect(told).toHaveLength(before);
  state = { ...state, outing: NEW_OUTING };
  await look();
  expect(told).toHaveLength(before);
  living = NEW;
  named = NEW;
  await look();
  expect(told.at(-1)).toEqual({ type: 'app-back', proof: NEW });
});
