import { describe, expect, test } from '@jest/globals';
import { scene } from '../../support/world/scene.ts';
import { adminsWritten } from '../../support/world/writes.ts';

const MINUTE = 60_000;

describe('A stop', () => {
  test('fences, looks again, stops the proven process, and stays in MAINT', () => {
    const it = scene();
    const proof = it.site.proof();
    expect(it.ended(it.ask('stop'))).toMatchObject({ code: 'done', phase: 'stopped' });
    const stops = it.effects.filter((effect) => effect.type === 'stop');
    expect(stops).toMatchObject([{ proof }]);
    expect(adminsWritten(it)).toEqual(['drain', 'maint']);
  });

  test.each(['stop', 'restart'] as const)(
    'of a %s reports what its sources had counted before the application ended, after a crash too',
    (kind) => {
      const it = scene();
      const id = it.ask(kind);
      it.reach('stopping');
      it.sidecar.post({ type: 'count-failed', source: 'http', error: 'ECONNRESET', startedAt: it.time.now });
      it.crash();
      expect(it.ended(id)).toMatchObject({
        code: 'done',
        sessions: { start: 0, last: 0, sources: [{ name: 'http', count: 0, error: null }] },
      });
    },
  );

  test('that does not work ends 70 and stays fenced', () => {
    const it = scene();
    it.site.app.stop = 'fails';
    expect(it.ended(it.ask('stop'))).toMatchObject({ ok: false, code: 'app-stop', phase: 'failed' });
    expect(it.admin()).toBe('maint');
  });

  test('is forced by a second signal', () => {
    const it = scene();
    it.site.visit();
    const id = it.ask('stop', { isShutdown: true });
    it.reach('draining');
    it.time.advance(1_000);
    it.sidecar.post({ type: 'force-now' });
    const result = it.ended(id);
    expect(result).toMatchObject({ code: 'done', phase: 'stopped', forced: 1 });
    expect(result.warnings).toContain('hurried: forced with 1 session left');
  });

  test('can be cancelled until it was issued', () => {
    const it = scene();
    it.site.visit();
    const id = it.ask('stop');
    it.reach('draining');
    it.cancel();
    expect(it.ended(id)).toMatchObject({ code: 'cancelled', phase: 'serving' });
    expect(it.admin()).toBe('ready');
  });

  test('after a forced drain says whose sessions it ends', () => {
    const it = scene();
    it.site.visit();
    it.ended(it.ask('drain', { onTimeout: 'force', timeoutMs: MINUTE }));
    expect(it.ended(it.ask('stop'))).toMatchObject({ phase: 'stopped', forced: 1 });
  });
});

describe('The way back', () => {
  test('starts what is down, waits for its health, and reads back READY and UP', () => {
    const it = scene();
    it.ended(it.ask('stop'));
    expect(it.ended(it.ask('ready'))).toMatchObject({ code: 'done', phase: 'serving' });
    expect(it.effects.filter(({ type }) => type === 'start')).toHaveLength(1);
    expect(it.lb.server('app/app1')).toMatchObject({ admin: 'ready', up: true });
  });

  test('of a restart has the whole time again', () => {
    const it = scene();
    it.site.visit();
    const id = it.ask('restart', { timeoutMs: 10_000 });
    it.time.advance(7_000);
    it.site.leave();
    expect(it.ended(id)).toMatchObject({ code: 'done', phase: 'serving', operation: 'restart' });
  });

  test('whose start fails stays in MAINT, and ready tries again', () => {
    const it = scene();
    it.site.app.start = 'fails';
    expect(it.ended(it.ask('restart'))).toMatchObject({ ok: false, code: 'app-health', phase: 'failed' });
    expect(it.admin()).toBe('maint');
    it.site.app.start = 'works';
    expect(it.ended(it.ask('ready'))).toMatchObject({ code: 'done', phase: 'serving' });
  });

  test('that is cancelled while the start is under way does not forget the application that it brings', () => {
    const it = scene();
    it.ended(it.ask('stop'));
    const ready = it.ask('ready');
    it.reach('warming');
    while (it.sidecar.state.app.start !== 'sent') it.time.advance(1);
    it.cancel();
    const stop = it.ask('stop');
    expect(it.ended(ready)).toMatchObject({ code: 'cancelled', phase: 'failed' });
    expect(it.ended(stop)).toMatchObject({ code: 'done', phase: 'stopped' });
    it.time.advance(MINUTE);
    expect(it.site.app.alive).toBe(false);
  });

  test.each([{ noRefuse: true }, { isShutdown: true, by: 'signal' }])(
    'that a stop which cannot be refused gives up while the start is under way: what it brings is stopped (%p)',
    (who) => {
      const it = scene({ hasProbe: false });
      it.site.app.startMs = MINUTE;
      it.ended(it.ask('stop'));
      const ready = it.ask('ready');
      it.reach('warming');
      while (it.sidecar.state.app.start !== 'sent') it.time.advance(1);
      const stop = it.ask('stop', who);
      expect(it.ended(stop)).toMatchObject({ code: 'done', phase: 'stopped' });
      expect(it.result(ready)).toMatchObject({ code: 'cancelled' });
      it.time.advance(MINUTE);
      expect(it.site.app.alive).toBe(false);
    },
  );

  test('of a restart reports how many users were left at the stop, also where a source does not answer since', () => {
    const it = scene();
    it.site.visit();
    const id = it.ask('restart');
    it.reach('draining');
    it.time.advance(3_000);
    it.site.leave();
    it.reach('stopping');
    it.site.failing.add('http');
    it.reach('warming');
    it.time.advance(12_000);
    expect(it.ended(id)).toMatchObject({ code: 'done', sessions: { start: 1, last: 0 } });
  });

  test('that fails at its deadline leaves a node that can be taken out again', () => {
    const it = scene({ hasProbe: false });
    it.site.app.start = 'unhealthy';
    it.ended(it.ask('stop'));
    // HAProxy's own check has found it down by then.
    it.time.advance(2_000);
    const ready = it.ask('ready', { timeoutMs: MINUTE });
    expect(it.ended(ready)).toMatchObject({ code: 'app-health', phase: 'returning' });
    expect(it.ended(it.ask('stop'))).toMatchObject({ code: 'done', phase: 'stopped' });
  });
});
