import { describe, expect, test } from '@jest/globals';
import { type Scene, scene } from '../support/world/scene.ts';

/** Between the survey of a request and the record of it on disk the servers may change: then it is judged anew. */

/** An operator sets the server, and a poll shows it. */
function sets(it: Scene, admin: 'drain' | 'maint'): void {
  it.lb.set('app/app1', admin, 'operator');
  it.sidecar.post({ type: 'looked', balancer: 'lb1', look: it.lb.look(), begun: it.time.now });
}

const isProposed = (it: Scene) => (): boolean => it.sidecar.state.pending?.kind === 'install';

describe('An operator who comes between the survey and the record', () => {
  test.each(['drain', 'stop'] as const)('with DRAIN: %s is refused, and his DRAIN stays', (kind) => {
    const it = scene();
    const id = it.ask(kind);
    it.until('the proposal', isProposed(it));
    sets(it, 'drain');
    expect(it.ended(id)).toMatchObject({ code: 'held', phase: 'serving' });
    it.time.advance(5_000);
    expect(it.lb.server('app/app1')).toMatchObject({ admin: 'drain', by: 'operator' });
    expect(it.effects.some(({ type }) => type === 'say')).toBe(false);
  });

  test('with weight 0, which is a drain too: stop is refused', () => {
    const it = scene();
    const id = it.ask('stop');
    it.until('the proposal', isProposed(it));
    // The driver shows it as DRAIN.
    it.lb.server('app/app1').weightless = true;
    sets(it, 'drain');
    expect(it.ended(id)).toMatchObject({ code: 'held', phase: 'serving' });
    expect(it.result(id)?.message).toContain('weight 0');
  });

  test('with MAINT: the drain goes on around it, and what is put back is his MAINT', () => {
    const it = scene();
    const id = it.ask('drain');
    it.until('the proposal', isProposed(it));
    sets(it, 'maint');
    expect(it.ended(id)).toMatchObject({ code: 'done', phase: 'drained' });
    expect(it.result(id)?.warnings.join()).toContain('is in MAINT and not by lastcall');
    it.ended(it.ask('ready'));
    expect(it.lb.server('app/app1')).toMatchObject({ admin: 'maint', by: 'operator' });
  });

  test('with DRAIN that is followed: it is not fenced and not put back', () => {
    const it = scene({ foreignDrain: 'follow' });
    const id = it.ask('drain');
    it.until('the proposal', isProposed(it));
    sets(it, 'drain');
    expect(it.ended(id)).toMatchObject({ code: 'done', phase: 'drained' });
    expect(it.lb.server('app/app1')).toMatchObject({ admin: 'drain', by: 'operator' });
  });
});
