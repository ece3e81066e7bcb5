import { describe, expect, test } from '@jest/globals';
import type { Phase } from '../../../agent/lifecycle/model/api.ts';
import { type Scene, scene } from '../../support/world/scene.ts';
import { adminsWritten } from '../../support/world/writes.ts';

const MINUTE = 60_000;

/** Kills the sidecar in that phase of a stop, a restart or a drain, as soon as its intent is on disk. */
function killedIn(phase: Phase, kind: 'drain' | 'stop' | 'restart', changes = {}): Scene & { id: string } {
  const it = scene(changes);
  const id = it.ask(kind);
  it.reach(phase);
  while (it.sidecar.state.saved < it.sidecar.state.intentSave) it.time.advance(1);
  it.crash();
  return { ...it, id };
}

describe('After kill -9', () => {
  test.each(['draining', 'settling', 'fencing', 'drained', 'stopping'] as const)(
    'while %s, a stop ends as it would have, and the application is stopped once',
    (phase) => {
      const it = killedIn(phase, 'stop');
      expect(it.ended(it.id)).toMatchObject({ ok: true, code: 'done', phase: 'stopped' });
      expect(it.site.app).toMatchObject({ alive: false, pid: 1000 });
      expect(it.admin()).toBe('maint');
    },
  );

  test.each(['warming', 'returning'] as const)('while %s, a restart ends where it meant to', (phase) => {
    const it = killedIn(phase, 'restart');
    expect(it.ended(it.id)).toMatchObject({ ok: true, code: 'done', phase: 'serving' });
    expect(it.site.app.alive).toBe(true);
    expect(it.admin()).toBe('ready');
  });

  test('a drain that was done stays done', () => {
    const it = scene();
    it.ended(it.ask('drain'));
    it.time.advance(100);
    it.crash();
    expect(it.sidecar.state.phase).toBe('drained');
    expect(it.admin()).toBe('maint');
  });

  test.each(['fencing', 'drained'] as const)(
    'while %s, and a reload before the next start: a user who came in keeps the session until the user leaves',
    (phase) => {
      const it = scene();
      const id = it.ask('stop');
      it.reach(phase);
      while (it.sidecar.state.saved < it.sidecar.state.intentSave) it.time.advance(1);
      it.sidecar.crash();
      it.lb.reload(false);
      it.site.visit();
      it.time.advance(200);
      const said = it.effects.length;
      it.sidecar.boot();
      it.time.advance(20_000);
      expect(it.admin()).toBe('drain');
      const words = it.effects
        .slice(said)
        .flatMap((effect) => (effect.type === 'set-server' ? [effect.admin] : []));
      expect(new Set(words)).toEqual(new Set(['drain']));
      expect(it.site.app.alive).toBe(true);
      it.site.leave();
      expect(it.ended(id)).toMatchObject({ ok: true, code: 'done', phase: 'stopped' });
      expect(it.admin()).toBe('maint');
    },
  );

  test('twice, the second time before it was made good: it goes on where the first one interrupted it', () => {
    const it = scene();
    it.site.visit();
    const id = it.ask('stop');
    it.reach('draining');
    it.time.advance(500);
    it.sidecar.crash();
    // Another worker: its first look is written down before the others have answered.
    it.lb.reload(true);
    it.sidecar.boot();
    while (it.sidecar.state.phase === 'recovering' && it.sidecar.state.save === 0) it.time.advance(0.1);
    it.time.advance(0.1);
    it.crash();
    it.reach('draining');
    it.site.leave();
    expect(it.ended(id)).toMatchObject({ ok: true, code: 'done', phase: 'stopped' });
  });

  test('what was applied, since when and by which worker is on disk, and a reload in between is counted', () => {
    const it = scene();
    it.ended(it.ask('drain'));
    it.time.advance(3_000);
    const told = () => JSON.parse(it.disk.content ?? '').balancers.lb1.servers['app/app1'].told as object;
    expect(told()).toEqual({ admin: 'maint', at: expect.any(Number), pid: 100, bornAt: 1_000_000 });
    it.lb.reload(true);
    it.time.advance(1_000);
    expect(told()).toMatchObject({ admin: 'maint', pid: 101 });
    it.sidecar.crash();
    it.lb.reload(false);
    it.time.advance(200);
    it.sidecar.boot();
    it.time.advance(5_000);
    expect(it.sidecar.state).toMatchObject({ phase: 'drained', reasserts: { count: 1 } });
    expect(told()).toMatchObject({ admin: 'maint', pid: 102 });
  });

  test('a node in service that `ready` waits for to become healthy is not closed', () => {
    const it = scene({ canStart: false });
    it.site.app.healthy = false;
    it.sidecar.probed('down');
    const id = it.ask('ready');
    it.reach('warming');
    it.crash();
    it.time.advance(20_000);
    expect([it.sidecar.state.phase, adminsWritten(it)]).toEqual(['warming', []]);
    it.site.app.healthy = true;
    it.sidecar.probed('up');
    expect(it.ended(id)).toMatchObject({ code: 'done', phase: 'serving' });
  });

  test('a failed node stays fenced', () => {
    const it = scene();
    it.site.app.stop = 'fails';
    it.ended(it.ask('stop'));
    it.time.advance(100);
    it.crash();
    expect(it.sidecar.state.phase).toBe('failed');
    expect(it.admin()).toBe('maint');
  });

  test('a stopped node stays stopped', () => {
    const it = scene();
    it.ended(it.ask('stop'));
    it.time.advance(100);
    it.crash();
    expect(it.sidecar.state.phase).toBe('stopped');
    expect(it.ended(it.ask('ready'))).toMatchObject({ code: 'done', phase: 'serving' });
  });

  test('the time that is left is what was left', () => {
    const it = scene();
    it.site.visit();
    const id = it.ask('drain', { timeoutMs: 10 * MINUTE });
    it.reach('draining');
    it.time.advance(6 * MINUTE);
    it.crash();
    it.time.advance(3 * MINUTE);
    expect(it.result(id)).toBeUndefined();
    it.time.advance(2 * MINUTE);
    expect(it.result(id)).toMatchObject({ code: 'deadline', phase: 'serving' });
  });

  test('a stop that may not be repeated ends in doubt, fenced, and is never sent again', () => {
    const it = killedIn('stopping', 'stop', { stopIsIdempotent: false });
    expect(it.ended(it.id)).toMatchObject({ ok: false, code: 'in-doubt', phase: 'failed' });
    expect(it.effects.filter(({ type }) => type === 'stop')).toHaveLength(1);
    expect(it.admin()).toBe('maint');
  });

  test('a held server is still known to be held', () => {
    const it = scene();
    it.ended(it.ask('drain'));
    it.lb.set('app/app1', 'drain', 'operator');
    it.time.advance(2_000);
    it.crash();
    it.time.advance(MINUTE);
    expect(it.lb.server('app/app1')).toMatchObject({ admin: 'drain', by: 'operator' });
  });

  test('a server that was let go by its holder is still known to be ours', () => {
    const it = scene();
    it.site.visit();
    it.ask('drain');
    it.reach('draining');
    it.time.advance(500);
    it.lb.set('app/app1', 'maint', 'operator');
    it.time.advance(2_000);
    const stop = it.ask('stop');
    it.time.advance(500);
    it.lb.set('app/app1', 'ready', 'operator');
    it.time.advance(2_000);
    expect(it.admin()).toBe('drain');
    it.crash();
    it.cancel();
    expect(it.ended(stop)).toMatchObject({ code: 'cancelled', phase: 'serving' });
    expect(it.admin()).toBe('ready');
  });

  test('a cancel that comes before any balancer has answered waits for what is to be cancelled', () => {
    const it = scene();
    it.site.visit();
    const drain = it.ask('drain');
    it.reach('draining');
    it.lb.setMode('silent');
    it.crash();
    expect(it.sidecar.state.phase).toBe('recovering');
    it.cancel();
    expect(it.sidecar.state).toMatchObject({ phase: 'recovering', boot: { cancel: { by: 'alice' } } });
    it.lb.setMode('answers');
    expect(it.ended(drain)).toMatchObject({ code: 'cancelled', phase: 'serving' });
    expect(it.admin()).toBe('ready');
  });

  test.each([
    [{}, 'draining', 'drain'],
    [{}, 'drained', 'drain'],
    [{ by: 'cli alice' }, 'drained', 'drain'],
    [{}, 'stopped', 'stop'],
  ] as const)(
    'a shutdown that cannot be refused (%j) and was %s is over with its container: the next one serves',
    (more, phase, kind) => {
      const it = scene({ supervises: true });
      if (phase === 'draining') it.site.visit();
      it.ask(kind, { by: 'prestop', noRefuse: true, onTimeout: 'force', ...more });
      it.reach(phase);
      it.time.advance(500);
      it.sidecar.crash();
      it.site.die();
      it.sidecar.boot();
      it.reach('serving');
      it.time.advance(MINUTE);
      expect([it.sidecar.state.phase, it.admin()]).toEqual(['serving', 'ready']);
    },
  );

  test('a stop that may never have been issued cuts no user who has come in by a reload', () => {
    const it = scene({ stopIsIdempotent: false });
    it.ask('stop');
    it.until('the intent is on disk', () => JSON.parse(it.disk.content ?? '{}').stopIssued === true);
    it.sidecar.crash();
    it.sidecar.boot();
    // It lasts for less than a millisecond.
    it.until('it goes on with the stop', () => it.sidecar.state.phase === 'stopping');
    it.lb.reload(false);
    it.site.visit();
    it.time.advance(1_000);
    expect(it.site.app.alive).toBe(true);
  });

  test('and carries a restart on, where it was what the restart had started', () => {
    const it = scene({ supervises: true, canStart: true });
    const restart = it.ask('restart');
    it.reach('warming');
    while (it.sidecar.state.app.start !== 'sent') it.time.advance(1);
    it.sidecar.crash();
    it.site.revive();
    it.sidecar.boot();
    expect(it.ended(restart)).toMatchObject({ ok: true, phase: 'serving' });
    expect(it.sidecar.state.app.proof).toEqual(it.site.proof());
  });
});

describe('MAINT without a record', () => {
  test('is another process’s, and is left', () => {
    const it = scene({}, ({ balancers }) => balancers[0]?.set('app/app1', 'maint', 'operator'));
    it.time.advance(MINUTE);
    expect(it.sidecar.state.phase).toBe('serving');
    expect(it.admin()).toBe('maint');
  });

  test('is ours with adopt, and is ended by a return', () => {
    const it = scene({ adopt: true }, ({ balancers }) => balancers[0]?.set('app/app1', 'maint', 'operator'));
    it.time.advance(5_000);
    expect(it.sidecar.state.phase).toBe('serving');
    expect(it.admin()).toBe('ready');
  });

  test('that the configuration gave is not adopted', () => {
    const it = scene({ adopt: true }, ({ balancers }) =>
      balancers[0]?.set('app/app1', 'maint', 'operator', 'config'),
    );
    it.time.advance(MINUTE);
    expect(it.admin()).toBe('maint');
  });
});
