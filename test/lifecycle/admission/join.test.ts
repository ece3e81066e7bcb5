import { describe, expect, test } from '@jest/globals';
import { scene } from '../../support/world/scene.ts';
import { during, join } from '../../support/world/joining.ts';

const SECOND = 1_000;
const MINUTE = 60_000;

describe('A fenced drain that joins one without a fence', () => {
  test('makes it fenced, for both, and says so', () => {
    const it = during('drain', { fence: false });
    const id = join(it, 'drain', { by: 'bob' });
    it.site.leave();
    const own = { id, operation: 'drain', by: 'bob', reason: null, terms: { fence: true } };
    expect(it.ended(id)).toMatchObject({ code: 'done', phase: 'drained', joined: [own] });
    expect(it.result(it.running)).toMatchObject({ code: 'done', phase: 'drained', joined: [own] });
    expect(it.admin()).toBe('maint');
  });

  test.each(['settling', 'drained'] as const)('is never done in mere DRAIN, in %s either', (phase) => {
    const it = scene();
    it.ask('drain', { fence: false });
    it.reach(phase);
    const id = it.ask('drain');
    it.ended(id);
    expect(it.result(id)).toMatchObject({ code: 'done', phase: 'drained' });
    expect(it.admin()).toBe('maint');
  });

  test('leaves a fenced one fenced the other way round', () => {
    const it = during('drain');
    const id = join(it, 'drain', { fence: false });
    it.site.leave();
    expect(it.ended(id).joined).toMatchObject([{ id, terms: {} }]);
    expect(it.admin()).toBe('maint');
  });
});

describe('What a caller asks for beyond the operation that it joins', () => {
  test.each([
    ['hold', 'draining', 'deadline'],
    ['force', 'drained', 'done'],
  ] as const)('holds from then on: --timeout 10s --on-timeout %s', (onTimeout, phase, code) => {
    const it = during('drain');
    const id = join(it, 'drain', { timeoutMs: 10 * SECOND, onTimeout });
    const result = it.ended(id);
    expect(result).toMatchObject({ code, phase, joined: [{ terms: { timeout: 10, onTimeout } }] });
    expect(it.result(it.running)).toMatchObject({ code, phase });
    expect(result.seconds).toBeGreaterThan(10);
    expect(result.seconds).toBeLessThan(20);
  });

  test('holds for a part of it as well, and what was not given by hand stays as it was', () => {
    const it = during('restart', { timeoutMs: 20 * MINUTE, onTimeout: 'hold' });
    const id = join(it, 'drain', { timeoutMs: 10 * SECOND });
    expect(it.ended(id)).toMatchObject({ code: 'deadline', phase: 'draining' });
    expect(it.result(it.running)).toMatchObject({ code: 'deadline', operation: 'restart' });
  });

  test('holds for a time after it: a drain expires that was to last', () => {
    const it = during('drain');
    const id = join(it, 'drain', { expiresMs: MINUTE });
    it.site.leave();
    expect(it.ended(id).joined).toMatchObject([{ terms: { expires: 60 } }]);
    it.time.advance(50 * SECOND);
    expect(it.sidecar.state.phase).toBe('drained');
    it.time.advance(30 * SECOND);
    expect(it.sidecar.state.phase).toBe('serving');
  });

  test('cannot be that a stop expires: its result says so', () => {
    const it = during('stop');
    const id = join(it, 'drain', { expiresMs: MINUTE });
    it.site.leave();
    expect(it.ended(id)).toMatchObject({ code: 'done', phase: expect.stringMatching(/drained|stopped/) });
    expect(it.result(id)?.warnings.join()).toContain('does not expire');
    it.time.advance(5 * MINUTE);
    expect(it.sidecar.state.phase).toBe('stopped');
  });

  test('is refused where the configuration lacks what it needs, and changes nothing', () => {
    const it = scene({ hasProbe: false });
    it.site.visit();
    it.ask('drain');
    it.reach('draining');
    it.time.advance(500);
    expect(it.ended(it.ask('drain', { expiresMs: MINUTE }))).toMatchObject({ ok: false, code: 'config' });
    expect(it.sidecar.state.op).toMatchObject({ joined: [], expiresMs: null });
  });

  test('restarts no silence that has held so far', () => {
    const it = scene({ quietMs: 5 * SECOND });
    const id = it.ask('drain');
    it.reach('settling');
    const began = it.time.now;
    for (let second = 0; second < 4; second += 1) {
      it.ask('drain');
      it.time.advance(SECOND);
    }
    it.ended(id);
    expect(it.time.now - began).toBeLessThan(8 * SECOND);
  });

  test('is on disk before it is promised, and outlives a crash', () => {
    const it = during('drain', { fence: false });
    const id = join(it, 'drain', { timeoutMs: 10 * SECOND, onTimeout: 'hold' });
    it.crash();
    it.reach('draining');
    const terms = { fence: true, timeout: 10, onTimeout: 'hold' };
    expect(it.sidecar.state).toMatchObject({ op: { onTimeout: 'hold' }, outing: { fenced: true } });
    expect(it.ended(id)).toMatchObject({ code: 'deadline', joined: [{ id, terms }] });
    expect(it.result(it.running)).toMatchObject({ code: 'deadline', phase: 'draining' });
  });
});

describe('A --force that joins', () => {
  const force = { force: true, reason: 'disk' };

  test('goes over the guard from then on', () => {
    const it = during('drain');
    it.lb.others = 0;
    it.until('what was found is put back', () => it.sidecar.state.outing?.level === 'found');
    const id = join(it, 'drain', force);
    it.until('it is in DRAIN again', () => it.admin() === 'drain');
    it.site.leave();
    expect(it.ended(id)).toMatchObject({
      code: 'done',
      phase: 'drained',
      joined: [{ terms: { force: true } }],
    });
  });

  test.each(['restored', 'done'] as const)('takes over the MAINT of an operator, which stays: %s', (how) => {
    const it = during('drain');
    it.lb.set('app/app1', 'maint', 'operator');
    const held = (): boolean => it.sidecar.state.balancers['lb1']?.servers['app/app1']?.foreign != null;
    it.until('it is held', held);
    const id = join(it, 'drain', force);
    expect(held()).toBe(false);
    if (how === 'restored') it.cancel();
    else it.site.leave();
    expect(it.ended(id).code).toBe(how === 'done' ? 'done' : 'cancelled');
    it.time.advance(SECOND);
    expect(it.lb.server('app/app1')).toMatchObject({ admin: 'maint', by: 'operator' });
  });

  test('takes over a DRAIN that came over the fence, by DRAIN again and not by MAINT over its users', () => {
    const it = scene();
    it.site.visit();
    const running = it.ask('drain');
    it.reach('draining');
    it.time.advance(500);
    it.site.leave();
    it.until('MAINT', () => it.admin() === 'maint');
    it.lb.set('app/app1', 'drain', 'operator');
    it.until('it is held', () => it.sidecar.state.balancers['lb1']?.servers['app/app1']?.foreign === 'drain');
    const id = it.ask('drain', force);
    it.until('draining', () => it.sidecar.state.phase === 'draining');
    expect(it.admin()).toBe('drain');
    expect(it.ended(id)).toMatchObject({ code: 'done', phase: 'drained' });
    expect(it.ended(running).code).toBe('done');
    expect(it.lb.server('app/app1')).toMatchObject({ admin: 'maint', by: 'us' });
  });
});
