import { describe, expect, test } from '@jest/globals';
import { asFound } from '../../../agent/lifecycle/admission/begin.ts';
import type { State } from '../../../agent/lifecycle/model/state.ts';
import { NO_SERVER } from '../../../agent/lifecycle/model/server-state.ts';
import { step } from '../../../agent/lifecycle/step.ts';
import type { Look } from '../../../agent/lifecycle/model/observation.ts';
import { scene } from '../../support/world/scene.ts';
import {
  BACKENDS,
  ONE,
  TWO,
  alarms,
  at,
  between,
  busy,
  inPhase,
} from '../../support/world/configured-places.ts';

const MINUTE = 60_000;

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

  test('of which users were forced out: the users at the new one were not, and are waited for', () => {
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

  test('and that an operator holds is left to the operator', () => {
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

test('a server that HAProxy does not have was not in an operator’s MAINT: what is put back of it is READY', () => {
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
