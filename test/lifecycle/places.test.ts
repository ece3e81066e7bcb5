import { describe, expect, test } from '@jest/globals';
import { isIgnored } from '../../agent/lifecycle/observed/counts.ts';
import type { Effect } from '../../agent/lifecycle/model/effect.ts';
import type { Policy } from '../../agent/lifecycle/model/policy.ts';
import type { Phase } from '../../agent/lifecycle/model/api.ts';
import { wasFenced } from '../../agent/lifecycle/observed/health.ts';
import { asFound } from '../../agent/lifecycle/admission/begin.ts';
import type { State } from '../../agent/lifecycle/model/state.ts';
import { NO_SERVER } from '../../agent/lifecycle/model/server-state.ts';
import { step } from '../../agent/lifecycle/step.ts';
import type { Look } from '../../agent/lifecycle/model/observation.ts';
import { type Scene, scene } from '../support/world/scene.ts';

const MINUTE = 60_000;

type Balancers = Policy['balancers'];
const lb = (name: string, ...servers: string[]): Balancers[number] => ({
  name,
  servers,
  counts: true,
  seesOldWorkers: true,
});
const ONE: Balancers = [lb('lb1', 'app/app1')];
const TWO: Balancers = [...ONE, lb('lb2', 'app/app1')];
const BACKENDS: Balancers = [lb('lb1', 'app/app1', 'api/app1')];

/** HAProxy has what either configuration names; the sidecar starts with the first. */
function between(before: Balancers, after: Balancers, changes: Partial<Policy> = {}): Scene {
  const all = (before.length > after.length ? before : after).map(({ name, ...lists }) => ({
    ...lists,
    name,
    servers: [...new Set([...before, ...after].flatMap((one) => (one.name === name ? one.servers : [])))],
  }));
  return scene({ ...changes, balancers: before }, undefined, all);
}

const at = (it: Scene, balancer: string, server = 'app/app1'): string =>
  it.site.balancer(balancer).server(server).admin;
const alarms = (it: Scene): string => Object.values(it.sidecar.state.alarms).join('\n');

/** Lets time pass until the intent of that phase is on disk. */
function inPhase(it: Scene, phase: Phase): void {
  it.reach(phase);
  it.until('its intent on disk', () => it.sidecar.state.saved >= it.sidecar.state.intentSave);
}

/** A user at the second balancer, counted only there. */
function busy(it: Scene, balancer = 'lb2'): { leave(): void } {
  const server = it.site.balancer(balancer).server('app/app1');
  server.serving = 1;
  return {
    leave() {
      server.serving = 0;
    },
  };
}

describe('A balancer that the configuration gained while the node is out (I17)', () => {
  test('is drained, and its users are waited for before the stop that comes next', () => {
    const it = between(ONE, TWO);
    it.ended(it.ask('drain'));
    const user = busy(it);
    it.crash({ balancers: TWO });
    const id = it.ask('stop');
    it.time.advance(MINUTE);
    expect([at(it, 'lb2'), it.sidecar.state.phase, it.site.app.alive]).toEqual(['drain', 'draining', true]);
    user.leave();
    expect(it.ended(id)).toMatchObject({ ok: true, phase: 'stopped', forced: 0 });
    expect([at(it, 'lb1'), at(it, 'lb2')]).toEqual(['maint', 'maint']);
    expect(it.ended(it.ask('ready'))).toMatchObject({ ok: true, phase: 'serving' });
    expect([at(it, 'lb1'), at(it, 'lb2')]).toEqual(['ready', 'ready']);
  });

  test('makes a drained node drain once more by itself, and is fenced like the others', () => {
    const it = between(ONE, TWO);
    it.ended(it.ask('drain'));
    const user = busy(it);
    it.crash({ balancers: TWO });
    it.time.advance(MINUTE);
    expect([it.sidecar.state.phase, at(it, 'lb2'), alarms(it)]).toEqual(['draining', 'drain', '']);
    user.leave();
    it.reach('drained');
    it.time.advance(1_000);
    expect([at(it, 'lb1'), at(it, 'lb2')]).toEqual(['maint', 'maint']);
  });

  test.each(['draining', 'settling', 'fencing'] as const)('is part of the operation while %s', (phase) => {
    const it = between(ONE, TWO);
    const id = it.ask('stop');
    inPhase(it, phase);
    const user = busy(it);
    it.crash({ balancers: TWO });
    it.time.advance(MINUTE);
    expect([at(it, 'lb2'), it.site.app.alive]).toEqual(['drain', true]);
    user.leave();
    expect(it.ended(id)).toMatchObject({ ok: true, phase: 'stopped' });
    expect(at(it, 'lb2')).toBe('maint');
  });

  test('is taken in although the operation is cancelled before the first look: what comes next fences it too', () => {
    const it = between(ONE, TWO);
    it.site.visit();
    it.ask('drain');
    inPhase(it, 'draining');
    it.crash({ balancers: TWO }, () => it.site.balancer('lb2').setMode('silent'));
    expect(it.sidecar.state.phase).toBe('recovering');
    it.cancel();
    const stop = it.ask('stop', { isShutdown: true });
    it.time.advance(10_000);
    it.site.balancer('lb2').setMode('answers');
    it.site.leave();
    expect(it.ended(stop)).toMatchObject({ ok: true, phase: 'stopped' });
    it.time.advance(1_000);
    expect([at(it, 'lb1'), at(it, 'lb2')]).toEqual(['maint', 'maint']);
  });

  test('goes to MAINT as soon as this sidecar sees that the application is stopped, and to DRAIN before that', () => {
    const it = between(ONE, TWO);
    it.ended(it.ask('stop'));
    it.time.advance(100);
    const said = it.effects.length;
    it.crash({ balancers: TWO });
    it.time.advance(2_000);
    expect([it.sidecar.state.phase, at(it, 'lb2')]).toEqual(['stopped', 'maint']);
    const words = it.effects
      .slice(said)
      .flatMap((one) => (one.type === 'set-server' && one.balancer === 'lb2' ? [one.admin] : []));
    expect(new Set(words)).toEqual(new Set(['drain', 'maint']));
  });

  test('is drained in `failed` too, and the next stop waits for its users', () => {
    const it = between(ONE, TWO);
    it.site.app.stop = 'fails';
    it.ended(it.ask('stop'));
    it.time.advance(100);
    it.site.app.stop = 'works';
    const user = busy(it);
    it.crash({ balancers: TWO });
    it.time.advance(5_000);
    expect([it.sidecar.state.phase, at(it, 'lb2')]).toEqual(['failed', 'drain']);
    const id = it.ask('stop');
    it.time.advance(MINUTE);
    expect(it.site.app.alive).toBe(true);
    user.leave();
    expect(it.ended(id)).toMatchObject({ ok: true, phase: 'stopped' });
  });

  test('while the stop is under way: its outcome is read first, and a living application is not stopped over users', () => {
    const it = between(ONE, TWO);
    const id = it.ask('stop');
    it.until('the stop on disk', () => JSON.parse(it.disk.content ?? '{}').stopIssued === true);
    it.sidecar.crash();
    const user = busy(it);
    it.crash({ balancers: TWO });
    it.time.advance(5_000);
    expect(at(it, 'lb2')).toBe(it.site.app.alive ? 'drain' : 'maint');
    expect(it.sidecar.state.phase).toBe(it.site.app.alive ? 'draining' : 'stopped');
    user.leave();
    expect(it.ended(id)).toMatchObject({ ok: true, phase: 'stopped' });
  });

  test('is held like the others by an operator’s hold', () => {
    const it = between(ONE, TWO);
    it.ended(it.ask('hold', { reason: 'disk' }));
    it.time.advance(100);
    it.crash({ balancers: TWO });
    it.time.advance(2_000);
    expect([at(it, 'lb1'), at(it, 'lb2')]).toEqual(['drain', 'drain']);
    expect(it.ended(it.ask('release'))).toMatchObject({ ok: true });
    expect([at(it, 'lb1'), at(it, 'lb2')]).toEqual(['ready', 'ready']);
  });

  test('under a hold on a drained node, not to be asked at that start: its users are waited for after the release', () => {
    const it = between(ONE, TWO);
    it.ended(it.ask('drain'));
    it.ended(it.ask('hold', { reason: 'disk' }));
    it.time.advance(100);
    it.site.balancer('lb2').setMode('refuses');
    it.crash({ balancers: TWO });
    it.time.advance(2_000);
    it.ended(it.ask('release'));
    it.time.advance(2_000);
    const user = busy(it);
    it.site.balancer('lb2').setMode('answers');
    it.time.advance(MINUTE);
    expect([at(it, 'lb2'), it.sidecar.state.phase]).toEqual(['drain', 'draining']);
    user.leave();
    it.reach('drained');
    it.time.advance(1_000);
    expect([at(it, 'lb1'), at(it, 'lb2')]).toEqual(['maint', 'maint']);
  });

  test('returns with the others', () => {
    const it = between(ONE, TWO);
    it.ask('restart');
    inPhase(it, 'warming');
    it.crash({ balancers: TWO });
    it.reach('serving');
    expect([at(it, 'lb1'), at(it, 'lb2')]).toEqual(['ready', 'ready']);
  });

  test('of which users were forced out: whoever is at the new one has not been, and is waited for', () => {
    const it = between(ONE, TWO, { onTimeout: 'force' });
    it.site.visit();
    expect(it.ended(it.ask('drain', { timeoutMs: 2_000 }))).toMatchObject({ phase: 'drained', forced: 1 });
    it.site.leave();
    it.time.advance(100);
    const user = busy(it);
    it.crash({ balancers: TWO });
    const id = it.ask('stop', { timeoutMs: 10 * MINUTE });
    it.time.advance(MINUTE);
    expect([it.sidecar.state.phase, it.site.app.alive]).toEqual(['draining', true]);
    user.leave();
    expect(it.ended(id)).toMatchObject({ ok: true, phase: 'stopped', forced: 0 });
  });

  test('that cannot be asked at that start keeps the node from being drained until it has answered', () => {
    const it = between(ONE, TWO);
    it.ended(it.ask('drain'));
    it.site.balancer('lb2').setMode('refuses');
    it.crash({ balancers: TWO });
    it.time.advance(MINUTE);
    expect(it.sidecar.state.phase).toBe('draining');
    it.site.balancer('lb2').setMode('answers');
    it.reach('drained');
    it.time.advance(1_000);
    expect(at(it, 'lb2')).toBe('maint');
  });

  test('the same for a drain without a fence', () => {
    const it = between(ONE, TWO);
    it.ended(it.ask('drain', { fence: false }));
    it.site.balancer('lb2').setMode('refuses');
    it.crash({ balancers: TWO });
    it.time.advance(MINUTE);
    expect(it.sidecar.state.phase).toBe('draining');
    it.site.balancer('lb2').setMode('answers');
    it.reach('drained');
    expect([at(it, 'lb1'), at(it, 'lb2')]).toEqual(['drain', 'drain']);
  });

  test('and that an operator holds is left to him', () => {
    const it = between(ONE, TWO);
    it.ended(it.ask('drain'));
    it.site.balancer('lb2').set('app/app1', 'maint', 'operator');
    it.crash({ balancers: TWO });
    it.time.advance(MINUTE);
    expect(it.sidecar.state.balancers['lb2']?.servers['app/app1']).toMatchObject({ foreign: 'maint' });
    expect(it.ended(it.ask('ready'))).toMatchObject({ ok: true });
    expect(it.site.balancer('lb2').server('app/app1')).toMatchObject({ admin: 'maint', by: 'operator' });
  });
});

test('a server that HAProxy does not have was in nobody’s MAINT: what is put back of it is READY', () => {
  const absent = { name: 'app/app1', absent: 'it was removed', admin: 'maint', origin: 'none' } as const;
  const counts = { connections: 0, queued: 0, total: null, weight: null, counters: null };
  expect(asFound({ ...absent, ...counts, operational: 'down' }, true)).toEqual({
    found: { admin: 'ready', weight: null },
  });
});

test('a server that no outing has taken in is never fenced, however it came to be so', () => {
  const it = scene({ balancers: BACKENDS });
  it.ask('drain');
  it.reach('fencing');
  const { balancers } = it.sidecar.state;
  const lb1 = balancers['lb1'] as (typeof balancers)[string];
  const servers = { ...lb1.servers, 'api/app1': NO_SERVER };
  let state: State = { ...it.sidecar.state, balancers: { lb1: { ...lb1, servers } } };
  const persisted = { type: 'persisted', save: state.save, at: it.time.now } as const;
  state = step(it.policy, state, persisted)[0];
  for (let at = it.time.now; at < it.time.now + 5_000; at += 50) {
    const views = (lb1.look?.servers ?? []).map((view) => ({ ...view, admin: 'maint' }) as const);
    const look = { ...lb1.look, servers: views } as Look;
    state = step(it.policy, state, { type: 'polled', balancer: 'lb1', look, startedAt: at, at: at + 1 })[0];
    state = step(it.policy, state, {
      type: 'counted',
      source: 'http',
      count: 0,
      startedAt: at,
      at: at + 1,
    })[0];
  }
  expect(state.phase).toBe('fencing');
});

describe('A server that the configuration lost while the node is out (I17)', () => {
  test('is named by an alarm, stays as it is until the node returns, and is then put back', () => {
    const it = between(BACKENDS, ONE);
    it.ended(it.ask('drain'));
    it.time.advance(100);
    it.crash({ balancers: ONE });
    it.time.advance(MINUTE);
    expect(at(it, 'lb1', 'api/app1')).toBe('maint');
    expect(alarms(it)).toMatch(/lb1: api\/app1 is no longer in the configuration.*MAINT.*READY/);
    it.ended(it.ask('stop'));
    expect(at(it, 'lb1', 'api/app1')).toBe('maint');
    expect(it.ended(it.ask('ready'))).toMatchObject({ ok: true, phase: 'serving' });
    it.time.advance(1_000);
    expect([at(it, 'lb1'), at(it, 'lb1', 'api/app1'), alarms(it)]).toEqual(['ready', 'ready', '']);
    expect(JSON.parse(it.disk.content ?? '').balancers.lb1.servers).not.toHaveProperty('api/app1');
  });

  test('an aborted drain puts it back too, and a crash on the way forgets nothing', () => {
    const it = between(BACKENDS, ONE);
    it.site.visit();
    const id = it.ask('drain');
    inPhase(it, 'draining');
    it.time.advance(500);
    for (let round = 0; round < 2; round++) it.crash({ balancers: ONE });
    expect(at(it, 'lb1', 'api/app1')).toBe('drain');
    it.cancel();
    expect(it.ended(id)).toMatchObject({ code: 'cancelled', phase: 'serving' });
    it.time.advance(1_000);
    expect([at(it, 'lb1', 'api/app1'), alarms(it)]).toEqual(['ready', '']);
  });

  test('it is never fenced: no poll shows its users, and MAINT would throw them out', () => {
    const it = between(BACKENDS, ONE);
    it.site.visit();
    const id = it.ask('drain');
    inPhase(it, 'draining');
    it.time.advance(500);
    it.crash({ balancers: ONE });
    it.site.leave();
    expect(it.ended(id)).toMatchObject({ ok: true, phase: 'drained' });
    it.time.advance(2_000);
    expect([at(it, 'lb1'), at(it, 'lb1', 'api/app1')]).toEqual(['maint', 'drain']);
  });

  test('configured again it is ours with what was found, and no operator holds it', () => {
    const it = between(BACKENDS, ONE);
    it.ended(it.ask('drain'));
    it.time.advance(100);
    it.crash({ balancers: ONE });
    it.crash({ balancers: BACKENDS });
    it.time.advance(2_000);
    expect(it.sidecar.state).toMatchObject({ phase: 'drained', alarms: {} });
    expect(it.sidecar.state.balancers['lb1']?.servers['api/app1']).toMatchObject({
      found: { admin: 'ready' },
      foreign: null,
      isLost: false,
    });
    expect(it.ended(it.ask('ready'))).toMatchObject({ ok: true });
    expect(at(it, 'lb1', 'api/app1')).toBe('ready');
  });

  test('at a balancer that is not configured any more it is told, and left: its address is not ours to use', () => {
    const it = between(TWO, ONE);
    it.ended(it.ask('drain'));
    it.time.advance(100);
    it.crash({ balancers: ONE });
    it.time.advance(2_000);
    expect(alarms(it)).toMatch(/lb2: app\/app1 is no longer in the configuration.*READY by hand/);
    const back = it.ended(it.ask('ready'));
    expect(back).toMatchObject({ ok: true, phase: 'serving' });
    expect(back.warnings.join('\n')).toMatch(/lb2: app\/app1 .* set it to READY by hand/);
    expect(at(it, 'lb2')).toBe('maint');
  });

  test('and a balancer that is configured again before the return is ours again', () => {
    const it = between(TWO, ONE);
    it.ended(it.ask('drain'));
    it.time.advance(100);
    it.crash({ balancers: ONE });
    it.time.advance(2_000);
    it.crash({ balancers: TWO });
    it.time.advance(2_000);
    expect(it.sidecar.state).toMatchObject({ phase: 'drained', alarms: {} });
    expect(it.ended(it.ask('ready'))).toMatchObject({ ok: true });
    expect(at(it, 'lb2')).toBe('ready');
  });

  test('one that was renamed was fenced by its old name: READY by the new one waits for probes (I15)', () => {
    const after = [lb('lb1', 'web/app1')];
    const it = between([lb('lb1', 'app/app1')], after);
    it.ended(it.ask('drain'));
    it.time.advance(100);
    it.lb.server('app/app1').absent = true;
    it.lb.server('web/app1').serving = 1;
    it.crash({ balancers: after });
    it.time.advance(MINUTE);
    expect([at(it, 'lb1', 'web/app1'), wasFenced(it.sidecar.state)]).toEqual(['drain', true]);
  });

  test('one that an operator has put in DRAIN under its old name since was fenced all the same', () => {
    const after = [lb('lb1', 'web/app1')];
    const it = between([lb('lb1', 'app/app1')], after);
    it.ended(it.ask('drain'));
    it.time.advance(100);
    it.lb.set('app/app1', 'drain', 'operator');
    it.time.advance(5_000);
    // A user is there under the new name, so that one is not fenced.
    it.lb.server('web/app1').serving = 1;
    for (let life = 0; life < 2; life += 1) {
      it.crash({ balancers: after });
      it.time.advance(1_000);
      expect([at(it, 'lb1', 'web/app1'), wasFenced(it.sidecar.state)]).toEqual(['drain', true]);
    }
  });

  test('one that was renamed is lost under the old name and gained under the new one', () => {
    const before = [lb('lb1', 'app/app1')];
    const after = [lb('lb1', 'web/app1')];
    const it = between(before, after);
    it.ended(it.ask('drain'));
    it.time.advance(100);
    it.lb.server('app/app1').absent = true;
    it.crash({ balancers: after });
    expect(it.ended(it.ask('stop'))).toMatchObject({ ok: true, phase: 'stopped' });
    expect(at(it, 'lb1', 'web/app1')).toBe('maint');
    expect(it.ended(it.ask('ready'))).toMatchObject({ ok: true, phase: 'serving' });
    it.time.advance(2_000);
    expect([at(it, 'lb1', 'web/app1'), alarms(it)]).toEqual(['ready', '']);
  });

  test('whose write fails is written again, and the node has returned once it is back', () => {
    const it = between(BACKENDS, ONE);
    it.ended(it.ask('drain'));
    it.time.advance(100);
    it.crash({ balancers: ONE });
    it.time.advance(1_000);
    const id = it.ask('ready');
    it.reach('returning');
    const isBack = (one: Effect): boolean =>
      one.type === 'set-server' && one.server === 'api/app1' && one.admin === 'ready';
    it.until('READY being said', () => it.effects.some(isBack));
    const { epoch } = it.sidecar.state;
    it.sidecar.post({ type: 'set-server-failed', balancer: 'lb1', server: 'api/app1', epoch, error: 'cut' });
    expect(it.ended(id)).toMatchObject({ ok: true, phase: 'serving' });
    expect(at(it, 'lb1', 'api/app1')).toBe('ready');
  });
});

describe('`unreachable: ignore`', () => {
  const ignoring = (changes: Partial<Policy> = {}): Scene =>
    scene({ balancers: TWO, unreachable: 'ignore', ...changes });

  test('has a patience of ten seconds: one look without an answer takes no user away', () => {
    const it = ignoring();
    const id = it.ask('stop');
    it.reach('draining');
    it.time.advance(200);
    it.site.balancer('lb2').setMode('refuses');
    it.time.advance(9_000);
    expect([it.result(id), it.sidecar.state.phase]).toEqual([undefined, 'draining']);
    expect(it.ended(id)).toMatchObject({ ok: true, phase: 'stopped' });
  });

  test.each([
    [2, 60_000, false],
    [3, 9_999, false],
    [3, 10_000, true],
  ])('%i looks that failed over %i ms: left out %s', (looks, ms, isLeftOut) => {
    const { state, policy } = { ...ignoring(), state: ignoring().sidecar.state };
    const lb2 = state.balancers['lb2'] as (typeof state.balancers)[string];
    const lost = { ...lb2, error: 'refused', outage: { since: 1_000, looks } };
    expect(isIgnored(policy, { now: 1_000 + ms }, lost)).toBe(isLeftOut);
    expect(isIgnored({ ...policy, unreachable: 'wait' }, { now: 1_000 + ms }, lost)).toBe(false);
  });

  test.each([
    ['restore', 'deadline', 'serving', 0],
    ['hold', 'deadline', 'draining', 0],
    ['force', 'done', 'stopped', 1],
  ] as const)(
    'never while its last look showed a user: the deadline decides, here %s',
    (onTimeout, code, phase, forced) => {
      const it = ignoring({ onTimeout });
      busy(it);
      const id = it.ask('stop', { timeoutMs: MINUTE });
      it.reach('draining');
      it.time.advance(1_000);
      it.site.balancer('lb2').setMode('refuses');
      it.time.advance(40_000);
      expect([it.result(id), it.site.app.alive]).toEqual([undefined, true]);
      expect(it.ended(id)).toMatchObject({ code, phase, forced });
    },
  );

  test('and not after a crash either: what the last look showed is on disk', () => {
    const it = ignoring();
    it.site.visit({ balancer: it.lb, server: it.lb.server('app/app1') });
    const id = it.ask('stop', { timeoutMs: MINUTE });
    it.reach('draining');
    it.time.advance(3_000);
    busy(it);
    it.time.advance(1_000);
    it.site.balancer('lb2').setMode('refuses');
    it.time.advance(3_000);
    it.site.leave();
    it.crash();
    it.time.advance(30_000);
    expect([it.result(id), it.site.app.alive]).toEqual([undefined, true]);
  });

  test('a balancer that was away for long when an operation is asked for is done without at once', () => {
    const it = ignoring();
    it.site.balancer('lb2').setMode('refuses');
    it.time.advance(MINUTE);
    const asked = it.time.now;
    expect(it.ended(it.ask('stop'))).toMatchObject({ ok: true, phase: 'stopped' });
    expect(it.time.now - asked).toBeLessThan(5_000);
  });

  test('a return does not wait for whoever it saw: it brings users, and takes none away', () => {
    const it = ignoring();
    it.ended(it.ask('drain'));
    busy(it);
    it.time.advance(1_000);
    it.site.balancer('lb2').setMode('refuses');
    expect(it.ended(it.ask('ready'))).toMatchObject({ ok: true, phase: 'serving' });
  });

  test('a node that returned without one is in rotation after its container starts again: a stop takes out all of it', () => {
    const it = ignoring({ supervises: true });
    it.site.balancer('lb2').setMode('refuses');
    it.time.advance(MINUTE);
    it.ended(it.ask('drain'));
    it.ended(it.ask('ready'));
    it.crash({}, () => it.site.die());
    const stop = it.ask('stop', { isShutdown: true });
    expect(it.ended(stop)).toMatchObject({ ok: true, phase: 'stopped' });
    expect(at(it, 'lb1')).toBe('maint');
  });
});
