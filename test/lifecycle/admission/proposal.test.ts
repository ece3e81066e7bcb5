import { describe, expect, test } from '@jest/globals';
import { type Scene, scene } from '../../support/world/scene.ts';

/** Between the survey of a request and the record of it on disk the servers may change: then it is judged anew. */

/** An operator sets the server, and a poll shows it. */
function sets(it: Scene, admin: 'drain' | 'maint'): void {
  it.lb.set('app/app1', admin, 'operator');
  it.sidecar.post({ type: 'polled', balancer: 'lb1', look: it.lb.look(), startedAt: it.time.now });
}

const isProposed = (it: Scene) => (): boolean => it.sidecar.state.pending?.kind === 'install';

describe('An operator who comes between the survey and the record', () => {
  test.each(['drain', 'stop'] as const)(
    'with DRAIN: %s is refused, and the operator’s DRAIN stays',
    (kind) => {
      const it = scene();
      const id = it.ask(kind);
      it.until('the proposal', isProposed(it));
      sets(it, 'drain');
      expect(it.ended(id)).toMatchObject({ code: 'held', phase: 'serving' });
      it.time.advance(5_000);
      expect(it.lb.server('app/app1')).toMatchObject({ admin: 'drain', by: 'operator' });
      expect(it.effects.some(({ type }) => type === 'set-server')).toBe(false);
    },
  );

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

  test('with MAINT: the drain goes on around it, and what is put back is the operator’s MAINT', () => {
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

describe('A state that is written while the next request goes to disk', () => {
  const TWO = {
    unreachable: 'ignore' as const,
    balancers: ['lb1', 'lb2'].map((name) => ({
      name,
      servers: ['app/app1'],
      counts: true,
      seesOldWorkers: true,
    })),
  };

  /** The second balancer answers no more, and the next poll has shown it. */
  function loses(it: Scene): void {
    it.site.balancer('lb2').setMode('refuses');
    it.sidecar.post({ type: 'poll-failed', balancer: 'lb2', error: 'connection refused' });
  }

  function answers(it: Scene): void {
    const lb2 = it.site.balancer('lb2');
    lb2.setMode('answers');
    it.sidecar.post({ type: 'polled', balancer: 'lb2', look: lb2.look(), startedAt: it.time.now });
  }

  test('is ours after a crash between the two: the MAINT of a hold that is being released is put back', () => {
    const it = scene(TWO);
    const lb2 = it.site.balancer('lb2').server('app/app1');
    const id = it.ask('hold', { holdIn: 'maint' });
    it.until('the hold is proposed', isProposed(it));
    loses(it);
    expect(it.ended(id).code).toBe('done');
    expect(lb2.admin).toBe('ready');
    it.ask('release');
    it.until('the release is proposed', isProposed(it));
    answers(it);
    it.until('MAINT is set there', () => lb2.admin === 'maint');
    const { pending } = it.sidecar.state;
    if (pending?.kind !== 'install') throw new Error('the release is on disk already');
    // The record with the release is the last thing that this life has written.
    it.crash({}, () => (it.disk.content = JSON.stringify(pending.record)));
    it.reach('serving');
    expect(lb2).toMatchObject({ admin: 'ready', by: 'us' });
  });
});
