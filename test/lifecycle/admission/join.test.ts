import { describe, expect, test } from '@jest/globals';
import { MOST_TICKETS } from '../../../agent/lifecycle/admission/join.ts';
import type { OperationKind, Request } from '../../../agent/lifecycle/model/api.ts';
import { type Scene, scene } from '../../support/world/scene.ts';

const SECOND = 1_000;
const MINUTE = 60_000;

type Running = Scene & { readonly running: string };

/** A node whose operation waits for a user. */
function during(kind: OperationKind, terms: Partial<Request> = {}): Running {
  const it = scene();
  it.site.visit();
  const running = it.ask(kind, terms);
  it.reach('draining');
  it.time.advance(500);
  return { ...it, running };
}

/** Asks, and lets the disk hold it. */
function join(it: Running, kind: OperationKind, terms: Partial<Request> = {}): string {
  const id = it.ask(kind, terms);
  it.until('the answer', () => it.sidecar.replies.some((reply) => reply.id === id));
  return id;
}

function cancel({ sidecar }: Scene, id: string): void {
  sidecar.post({ type: 'cancel', id, by: 'alice' });
}

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

  test.each(['settling', 'drained'] as const)('is never told done in mere DRAIN, in %s either', (phase) => {
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

describe('What a caller asks for beyond the operation that he joins', () => {
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

describe('The ticket of a caller who joined', () => {
  test('cancels him alone, the id of the operation all of them', () => {
    const it = during('restart');
    const [drain, restart] = [join(it, 'drain'), join(it, 'restart', { timeoutMs: 5 * MINUTE })];
    cancel(it, drain);
    expect(it.result(drain)).toMatchObject({ code: 'cancelled', operation: 'drain', phase: 'draining' });
    expect(it.result(drain)?.message).toContain(`the restart ${it.running} goes on`);
    it.time.advance(MINUTE);
    expect(it.sidecar.state).toMatchObject({
      phase: 'draining',
      op: { id: it.running, timeoutMs: 5 * MINUTE },
    });
    cancel(it, it.running);
    expect(it.ended(restart)).toMatchObject({ code: 'cancelled', phase: 'serving' });
    expect(it.result(it.running)).toMatchObject({ code: 'cancelled', phase: 'serving' });
    expect(it.result(it.running)?.joined).toMatchObject([{ id: drain }, { id: restart }]);
  });

  test('outlives a crash, also to cancel him', () => {
    const it = during('stop');
    const [one, other] = [join(it, 'stop'), join(it, 'stop')];
    it.crash();
    it.reach('draining');
    cancel(it, one);
    expect(it.result(one)?.code).toBe('cancelled');
    it.site.leave();
    expect(it.ended(other)).toMatchObject({ code: 'done', phase: 'stopped' });
    expect(it.result(it.running)?.code).toBe('done');
  });

  test('withdraws him while the stop is under way, when the operation can no longer be cancelled', () => {
    const it = scene();
    const running = it.ask('stop');
    it.reach('stopping');
    const id = it.ask('stop');
    it.until('he has joined', () => (it.sidecar.state.op?.joined.length ?? 0) > 0);
    cancel(it, id);
    expect(it.result(id)?.code).toBe('cancelled');
    expect(it.ended(running)).toMatchObject({ code: 'done', phase: 'stopped' });
  });

  test('is shared with the last one of his kind where there are too many', () => {
    const it = during('drain');
    const ids = Array.from({ length: 2 * MOST_TICKETS }, () => it.ask('drain', { by: 'loop' }));
    it.time.advance(10 * SECOND);
    const { op } = it.sidecar.state;
    expect(op?.tickets).toHaveLength(MOST_TICKETS);
    expect(op?.joined).toHaveLength(MOST_TICKETS - 1);
    const tickets = ids.map((id) => it.sidecar.replies.find((reply) => reply.id === id)?.ticket);
    expect(tickets.at(-1)).toBe(ids[MOST_TICKETS - 2]);
    it.site.leave();
    expect(it.ended(ids[0] as string).joined).toHaveLength(1);
    expect(it.result(tickets.at(-1) as string)?.code).toBe('done');
    // Of many results at once the last ones are kept over a crash.
    expect(it.sidecar.results.at(-1)?.id).toBe(it.running);
  });

  test('is forgotten in time: who joins and leaves again and again fills no record', () => {
    const it = during('drain');
    for (let count = 0; count < 2 * MOST_TICKETS; count += 1) cancel(it, join(it, 'drain'));
    expect(it.sidecar.state.op?.tickets).toHaveLength(1);
    expect(it.sidecar.state.op?.joined).toHaveLength(MOST_TICKETS);
  });
});

describe('An operation that becomes another one', () => {
  const owner = ({ sidecar }: Scene): boolean =>
    sidecar.state.op?.tickets.some(({ id }) => id === sidecar.state.op?.id) === true;

  test('is cancelled by the id of the stronger one, and no longer by its own', () => {
    const it = during('drain');
    const restart = join(it, 'restart');
    cancel(it, it.running);
    expect(it.result(it.running)).toMatchObject({ code: 'cancelled', phase: 'draining' });
    expect(it.sidecar.state).toMatchObject({ phase: 'draining', op: { id: restart, kind: 'restart' } });
    cancel(it, restart);
    expect(it.ended(restart)).toMatchObject({ code: 'cancelled', phase: 'serving' });
  });

  test.each(['stop', 'restart'] as const)('belongs to the shutdown that ends with a %s', (kind) => {
    const it = during(kind);
    const shutdown = join(it, 'stop', { isShutdown: true, by: 'signal' });
    expect(owner(it)).toBe(true);
    cancel(it, it.running);
    expect(it.result(it.running)?.code).toBe('cancelled');
    expect(it.sidecar.state).toMatchObject({ phase: 'draining', op: { id: shutdown, by: 'signal' } });
    it.site.leave();
    expect(it.ended(shutdown)).toMatchObject({ code: 'done', phase: 'stopped' });
  });

  test.each([
    ['just before it', 30 * 60_000 - 100, null],
    ['hours before it', 1_000, 10 * 60 * 60_000],
  ] as const)(
    'has the deadline of the shutdown that joins %s, not the one of before',
    (_when, passedMs, timeoutMs) => {
      const it = scene();
      it.site.visit();
      it.ask('stop', { timeoutMs });
      it.reach('draining');
      it.time.advance(passedMs);
      const asked = it.time.now;
      const shutdown = it.ask('stop', { isShutdown: true, by: 'signal', onTimeout: 'force' });
      it.time.advance(29 * 60_000);
      expect(it.result(shutdown)).toBeUndefined();
      expect(it.ended(shutdown)).toMatchObject({ code: 'done', phase: 'stopped', forced: 1 });
      expect(it.time.now - asked).toBeGreaterThanOrEqual(30 * 60_000);
      expect(it.time.now - asked).toBeLessThan(31 * 60_000);
    },
  );

  test('belongs to the ready that follows a stop which was issued', () => {
    const it = scene();
    const stop = it.ask('stop');
    it.reach('stopping');
    const ready = it.ask('ready');
    it.until('it is a restart', () => it.sidecar.state.op?.kind === 'restart');
    expect(owner(it)).toBe(true);
    it.reach('warming');
    expect(it.result(stop)?.code).toBe('done');
    cancel(it, ready);
    expect(it.ended(ready)).toMatchObject({ code: 'cancelled', phase: 'failed' });
  });
});
