import { describe, expect, test } from '@jest/globals';
import { MOST_TICKETS } from '../../../agent/lifecycle/admission/join.ts';
import { type Scene, scene } from '../../support/world/scene.ts';
import { during, join } from '../../support/world/joining.ts';

const SECOND = 1_000;
const MINUTE = 60_000;

function cancel({ sidecar }: Scene, id: string): void {
  sidecar.post({ type: 'cancel', id, by: 'alice' });
}

describe('The ticket of a caller who joined', () => {
  test('cancels that caller’s part alone, the id of the operation all of them', () => {
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

  test('outlives a crash, also for a cancel', () => {
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

  test('withdraws that caller while the stop is under way, when the operation can no longer be cancelled', () => {
    const it = scene();
    const running = it.ask('stop');
    it.reach('stopping');
    const id = it.ask('stop');
    it.until('the caller has joined', () => (it.sidecar.state.op?.joined.length ?? 0) > 0);
    cancel(it, id);
    expect(it.result(id)?.code).toBe('cancelled');
    expect(it.ended(running)).toMatchObject({ code: 'done', phase: 'stopped' });
  });

  test('is shared with the last one of its kind where there are too many', () => {
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

  test('is forgotten in time: a caller who joins and leaves again and again fills no record', () => {
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
