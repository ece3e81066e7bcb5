import { describe, expect, test } from '@jest/globals';
import { type Scene, scene } from '../../support/world/scene.ts';
import { at, TWO } from '../../support/world/configured-places.ts';

/** An operator's command at a moment in which lastcall judges nothing, or comes to want the same (INVARIANTS.md#i2). */

const MINUTE = 60_000;

const own = (it: Scene, balancer = 'lb1') => it.sidecar.state.balancers[balancer]?.servers['app/app1'];
const shownAt = (it: Scene, balancer = 'lb1'): string | undefined =>
  it.sidecar.state.balancers[balancer]?.look?.servers[0]?.admin;

/** A drain was given up around an operator's MAINT, and what was found is not back yet: the second balancer is silent. */
function givingBack(changes: Parameters<typeof scene>[0] = {}): Scene {
  const it = scene({ balancers: TWO, ...changes });
  it.site.visit();
  const id = it.ask('drain');
  it.reach('draining');
  it.until('DRAIN', () => at(it, 'lb1') === 'drain' && at(it, 'lb2') === 'drain');
  it.lb.set('app/app1', 'maint', 'operator');
  it.until('it is marked', () => own(it)?.foreign === 'maint');
  it.site.balancer('lb2').setMode('refuses');
  it.time.advance(1_000);
  it.cancel();
  expect(it.ended(id).code).toBe('cancelled');
  expect(it.sidecar.state.phase).toBe('returning');
  expect(it.sidecar.state.outing?.level).toBe('found');
  return it;
}

describe('While what was found is put back', () => {
  test.each(['noRefuse', 'follow'] as const)(
    'an operator’s MAINT that becomes the operator’s DRAIN is still the operator’s for the next drain (%s)',
    (way) => {
      const it = givingBack(way === 'follow' ? { foreignDrain: 'follow' } : {});
      it.lb.set('app/app1', 'drain', 'operator');
      it.until('the mark follows', () => own(it)?.foreign === 'drain');
      it.site.balancer('lb2').setMode('answers');
      it.ask('drain', way === 'follow' ? {} : { noRefuse: true });
      it.reach('draining');
      it.time.advance(5_000);
      it.site.leave();
      it.time.advance(MINUTE);
      expect(it.ended(it.ask('ready'))).toMatchObject({ code: 'done' });
      it.time.advance(MINUTE);
      expect(it.lb.server('app/app1')).toMatchObject({ admin: 'drain', by: 'operator' });
    },
  );

  test('an operator’s MAINT that is let go leaves no mark', () => {
    const it = givingBack();
    it.lb.set('app/app1', 'ready', 'operator');
    it.until('it is gone', () => own(it)?.foreign === null);
    it.time.advance(MINUTE);
    expect(it.admin()).toBe('ready');
  });
});

describe('A state of an operator’s that lastcall comes to want as well', () => {
  test('MAINT in a look that was begun before the intent of the fence', () => {
    const it = scene();
    it.site.visit();
    const id = it.ask('drain');
    it.reach('draining');
    it.until('DRAIN is read back', () => own(it)?.inSync === true);
    it.site.leave();
    it.until('its intent', () => it.sidecar.state.outing?.level === 'maint');
    it.lb.set('app/app1', 'maint', 'operator');
    const startedAt = it.sidecar.state.epochStartedAt - 0.01;
    it.sidecar.post({ type: 'polled', balancer: 'lb1', look: it.lb.look('capacity'), startedAt });
    expect(own(it)?.foreign).toBe('maint');
    expect(it.ended(id)).toMatchObject({ code: 'done' });
    expect(it.ended(it.ask('ready'))).toMatchObject({ code: 'held' });
    expect(it.lb.server('app/app1')).toMatchObject({ admin: 'maint', by: 'operator' });
  });

  test('MAINT at a balancer that was silent from before the operation to its fence', () => {
    const it = scene({ balancers: TWO, unreachable: 'ignore' });
    const lb2 = it.site.balancer('lb2');
    lb2.setMode('refuses');
    it.time.advance(15_000);
    lb2.set('app/app1', 'maint', 'operator');
    expect(it.ended(it.ask('drain'))).toMatchObject({ code: 'done', phase: 'drained' });
    lb2.setMode('answers');
    it.until('it is seen', () => shownAt(it, 'lb2') === 'maint');
    expect(own(it, 'lb2')?.foreign).toBe('maint');
    it.until('it is on disk', () => it.sidecar.state.saved === it.sidecar.state.save);
    it.crash();
    it.time.advance(1_000);
    expect(it.ended(it.ask('ready'))).toMatchObject({ code: 'done' });
    it.time.advance(MINUTE);
    expect([at(it, 'lb1'), lb2.server('app/app1')]).toMatchObject([
      'ready',
      { admin: 'maint', by: 'operator' },
    ]);
  });
});

test('An operator’s MAINT over a node in service that is asked to return leaves no mark once it is READY again', () => {
  const it = scene();
  it.sidecar.crash();
  it.sidecar.boot();
  it.ask('ready');
  it.until('it waits for a probe', () => it.sidecar.state.phase === 'returning');
  it.lb.set('app/app1', 'maint', 'operator');
  it.until('it is marked', () => own(it)?.foreign === 'maint');
  it.lb.set('app/app1', 'ready', 'operator');
  it.until('it is gone', () => own(it)?.foreign == null);
  it.time.advance(MINUTE);
  expect([it.sidecar.state.phase, it.admin()]).toEqual(['serving', 'ready']);
});

test('Of two looks at the same time the one that began later may have read what was there before our write: it is no operator’s', () => {
  const it = scene();
  const id = it.ask('drain');
  it.reach('fencing');
  it.until('MAINT is on its way', () => own(it)?.write.underWay !== null);
  expect(it.admin()).toBe('drain');
  const before = it.lb.look('capacity');
  it.lb.set('app/app1', 'maint', 'us');
  const after = it.lb.look('capacity');
  const startedAt = it.sidecar.state.epochStartedAt;
  it.sidecar.post({ type: 'polled', balancer: 'lb1', look: after, startedAt });
  expect(own(it)).toMatchObject({ applied: { admin: 'maint' }, foreign: null });
  it.sidecar.post({ type: 'polled', balancer: 'lb1', look: before, startedAt });
  expect(own(it)?.foreign).toBeNull();
  const result = it.ended(id);
  expect([result.code, result.warnings]).toEqual(['done', []]);
  expect(it.admin()).toBe('maint');
});
