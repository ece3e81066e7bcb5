import { describe, expect, test } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { desired } from '../../../agent/lifecycle/model/desired.ts';
import { readRecord } from '../../../agent/lifecycle/recovery/read-record.ts';
import type { StateRecord } from '../../../agent/lifecycle/model/record.ts';
import { recordOf } from '../../../agent/lifecycle/model/write-record.ts';
import { initial, type State } from '../../../agent/lifecycle/model/state.ts';
import { step } from '../../../agent/lifecycle/step.ts';
import type { Admin } from '../../../agent/lifecycle/model/observation.ts';
import { POLICY, scene } from '../../support/world/scene.ts';

/** Written by the version before hold, outing and proposals were what they are (commit c839214), in a simulated world. */
const OLD = JSON.parse(
  readFileSync(new URL('../../fixtures/records/c839214.json', import.meta.url), 'utf8'),
) as Readonly<Record<string, StateRecord>>;
const AT = 1_010_000;

/** A sidecar that starts with it, and sees the server in that state. */
function resumed(record: unknown, admin: Admin): State {
  const [booted] = step(POLICY, initial(POLICY, AT), {
    type: 'booted',
    record,
    sameBoot: true,
    fresh: false,
    proof: null,
    alarm: null,
    at: AT,
  });
  const origin = admin === 'ready' ? 'none' : 'forced';
  const view = { name: 'app/app1', admin, origin, operational: 'up', weight: 1, counters: null } as const;
  const servers = [{ ...view, connections: 1, queued: 0, total: 0 }];
  const look = { worker: { pid: 100, bornAt: 0 }, workers: 1, unseen: null, uncounted: [], servers };
  return step(POLICY, booted, { type: 'polled', balancer: 'lb1', look, startedAt: AT + 1, at: AT + 2 })[0];
}

function wanted(state: State): Admin | null {
  const own = state.balancers['lb1']?.servers['app/app1'];
  return own ? desired(state, own) : null;
}

describe('A record of an older version', () => {
  const MEANINGS = [
    ['a stop while draining', 'drain', { phase: 'draining', op: { kind: 'stop' } }, 'drain'],
    ['a stop while fencing', 'maint', { phase: 'draining', op: { kind: 'stop' } }, 'drain'],
    ['a stop while stopping', 'maint', { phase: 'stopping', op: { kind: 'stop' } }, 'maint'],
    ['a restart while warming', 'maint', { phase: 'warming', op: { kind: 'restart' } }, 'maint'],
    ['a restart while returning', 'ready', { phase: 'returning', op: { kind: 'restart' } }, 'ready'],
    ['a drain that is done', 'maint', { phase: 'drained', op: null }, 'maint'],
    ['a stop that is done', 'maint', { phase: 'stopped', app: { gone: true } }, 'maint'],
    ['a stop that failed', 'maint', { phase: 'failed', op: null }, 'maint'],
    ['a hold', 'drain', { hold: { admin: 'drain', reason: 'disk', askers: [] } }, 'drain'],
    ['a drain that is given up', 'drain', { phase: 'returning', op: { kind: 'drain' } }, 'ready'],
  ] as const;

  test.each(MEANINGS)('is understood: %s', (name, seen, is, want) => {
    const record = OLD[name];
    expect(readRecord(record).doubt).toBeNull();
    const state = resumed(record, seen);
    expect(state).toMatchObject(is);
    expect(state.alarms).toEqual({});
    expect(wanted(state)).toBe(want);
  });

  test('is understood: a drain without a fence stays in DRAIN', () => {
    const state = resumed(OLD['a drain without a fence that is done'], 'drain');
    expect(state).toMatchObject({ outing: { fenced: false, level: 'drain' }, alarms: {} });
    expect(wanted(state)).toBe('drain');
  });
});

describe('A record of a newer version', () => {
  const taken = (changes: object): State => resumed({ ...OLD['a stop while draining'], ...changes }, 'drain');
  const FAILED = { phase: 'failed', op: null, outing: {}, alarms: { record: expect.any(String) } };

  test.each([
    ['a phase', { phase: 'ramping' }, /phase \(ramping\)/],
    ['an operation', { op: { ...OLD['a stop while draining']?.op, kind: 'evacuate' } }, /op/],
    ['a level', { level: 'trickle' }, /level \(trickle\)/],
    ['a step of the start', { start: 'probing' }, /start \(probing\)/],
    ['another shape of the balancers', { balancers: [] }, /balancers/],
    ['an operation in serving', { phase: 'serving' }, /operation \(stop\) in the phase serving/],
    ['an operation in recovering', { phase: 'recovering' }, /operation \(stop\) in the phase recovering/],
    ['servers that are ours in a start', { phase: 'starting', op: null }, /without the phase/],
  ] as const)(
    'with %s that this one does not know is taken for failed, and says so',
    (_what, changes, why) => {
      const state = taken(changes);
      expect(state).toMatchObject(FAILED);
      expect(state.alarms['record']).toMatch(why);
      expect(state.alarms['record']).toMatch(/lastcall ready/);
    },
  );

  test.each([[{}], ['text'], [[]], [7], [false]])('that is no record at all (%j) neither', (record) => {
    expect(resumed(record, 'maint')).toMatchObject(FAILED);
  });

  test('with fields that this one does not read is gone on with', () => {
    expect(taken({ fleet: { token: 7 }, ramp: [] })).toMatchObject({ phase: 'draining', alarms: {} });
  });

  test('a hold that is not understood is still a hold', () => {
    const state = taken({ hold: { admin: 'isolate', by: 'alice', reason: 'disk', over: 'rotation' } });
    expect(state).toMatchObject({ ...FAILED, hold: { admin: 'drain', by: 'alice' } });
  });

  test('leaves what stands there, keeps what was found, and can be brought back and taken out', () => {
    const it = scene();
    it.ended(it.ask('drain'));
    it.time.advance(100);
    it.sidecar.crash();
    it.disk.content = JSON.stringify({ ...JSON.parse(it.disk.content ?? ''), phase: 'ramping' });
    it.sidecar.boot();
    it.time.advance(5_000);
    expect([it.sidecar.state.phase, it.admin()]).toEqual(['failed', 'maint']);
    expect(it.ended(it.ask('ready'))).toMatchObject({ ok: true, phase: 'serving' });
    expect(it.admin()).toBe('ready');
    expect(it.ended(it.ask('stop'))).toMatchObject({ ok: true, phase: 'stopped' });
  });
});

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** The same record with another value at one place, for each place in it. */
function* spoilt(whole: Json, put: (value: Json) => unknown, value: Json): Generator<unknown> {
  yield put(value);
  if (typeof whole !== 'object' || whole === null) return;
  for (const [key, inner] of Object.entries(whole)) {
    const copy = (instead: Json): unknown =>
      put(
        Array.isArray(whole)
          ? whole.map((one, index) => (String(index) === key ? instead : one))
          : { ...whole, [key]: instead },
      );
    yield* spoilt(inner, copy, value);
  }
}

describe('Whatever stands at one place of a record', () => {
  const it = scene();
  it.site.visit();
  it.ask('stop');
  it.reach('draining');
  it.time.advance(1_000);
  const today = recordOf(it.sidecar.state, it.time.now);

  test.each([
    ['null', null],
    ['a word', 'later'],
    ['a number', -7],
    ['a flag', true],
    ['a list', [{}]],
    ['an object', { what: 1 }],
  ] as const)('%s: nothing throws, and what is not understood is never taken for serving', (_name, value) => {
    const doubtful: unknown[] = [];
    for (const record of [today, OLD['a drain that is done'], OLD['a stop that failed'], OLD['a hold']]) {
      for (const one of spoilt(record as unknown as Json, (whole) => whole, value as Json)) {
        const { doubt } = readRecord(one);
        const state = one === null ? null : resumed(one, 'drain');
        if (state?.phase === 'serving') doubtful.push(one);
        if (state && doubt !== null && state.alarms['record'] === undefined) doubtful.push(one);
        // Whatever it was, it can be written down and read again.
        if (state) expect(readRecord(JSON.parse(JSON.stringify(recordOf(state, AT)))).doubt).toBeNull();
      }
    }
    expect(doubtful).toEqual([]);
  });
});
