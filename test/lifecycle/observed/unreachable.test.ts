import { describe, expect, test } from '@jest/globals';
import { isIgnored } from '../../../agent/lifecycle/observed/counts.ts';
import type { Policy } from '../../../agent/lifecycle/model/policy.ts';
import { type Scene, scene } from '../../support/world/scene.ts';
import { TWO, at, busy } from '../../support/world/configured-places.ts';

const MINUTE = 60_000;

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

  test('a return does not wait for the users that it saw there: it brings users, and takes none away', () => {
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
