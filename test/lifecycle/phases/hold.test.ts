import { describe, expect, test } from '@jest/globals';
import { scene } from '../../support/world/scene.ts';

const HOUR = 60 * 60_000;

describe('A hold', () => {
  test('is done once it is read back, and keeps the node in DRAIN whatever the number of its users', () => {
    const it = scene();
    it.site.visit();
    expect(it.ended(it.ask('hold', { reason: 'memory test' }))).toMatchObject({
      code: 'done',
      operation: 'hold',
    });
    expect(it.admin()).toBe('drain');
    it.site.leave();
    it.time.advance(HOUR);
    expect(it.admin()).toBe('drain');
    expect(it.sidecar.state).toMatchObject({ hold: { admin: 'drain', reason: 'memory test' }, op: null });
  });

  test('in MAINT is MAINT at once', () => {
    const it = scene();
    expect(it.ended(it.ask('hold', { reason: 'disk', holdIn: 'maint' })).code).toBe('done');
    expect(it.admin()).toBe('maint');
  });

  test.each(['drain', 'stop', 'restart', 'ready'] as const)(
    'refuses %s with who holds it and why',
    (kind) => {
      const it = scene();
      it.ended(it.ask('hold', { reason: 'memory test', by: 'alice' }));
      const result = it.ended(it.ask(kind));
      expect(result).toMatchObject({ ok: false, code: 'held' });
      expect(result.message).toMatch(/alice \(memory test\).*lastcall release/);
      expect(it.admin()).toBe('drain');
    },
  );

  test('gives way to force, and is over then', () => {
    const it = scene();
    it.ended(it.ask('hold', { reason: 'memory test' }));
    expect(it.ended(it.ask('restart', { force: true, reason: 'urgent' }))).toMatchObject({ code: 'done' });
    expect(it.sidecar.state).toMatchObject({ hold: null, phase: 'serving' });
  });

  test('is ended by release, which puts back what was found', () => {
    const it = scene();
    it.ended(it.ask('hold', { reason: 'memory test' }));
    expect(it.ended(it.ask('release'))).toMatchObject({ code: 'done', phase: 'serving' });
    expect(it.admin()).toBe('ready');
    expect(it.sidecar.state.hold).toBeNull();
  });

  test('outlives a kill -9 of the sidecar', () => {
    const it = scene();
    it.ended(it.ask('hold', { reason: 'memory test' }));
    it.crash();
    it.time.advance(HOUR);
    expect(it.admin()).toBe('drain');
    expect(it.ended(it.ask('ready')).code).toBe('held');
    expect(it.ended(it.ask('release')).code).toBe('done');
    expect(it.admin()).toBe('ready');
  });

  test('of a node that is out already keeps ready away and changes nothing else', () => {
    const it = scene();
    it.ended(it.ask('drain'));
    expect(it.ended(it.ask('hold', { reason: 'memory test' })).code).toBe('done');
    expect(it.ended(it.ask('ready')).code).toBe('held');
    expect(it.admin()).toBe('maint');
    expect(it.ended(it.ask('release')).code).toBe('done');
    expect(it.admin()).toBe('maint');
    expect(it.ended(it.ask('ready')).code).toBe('done');
  });

  test('holds the node again when a shutdown that went over it is cancelled', () => {
    const it = scene();
    it.ended(it.ask('hold', { reason: 'memory test' }));
    it.site.visit();
    it.ask('stop', { isShutdown: true, by: 'signal', onTimeout: 'force' });
    it.until('it is the operation', () => it.sidecar.state.op !== null);
    it.cancel();
    it.time.advance(HOUR);
    expect(it.admin()).toBe('drain');
    expect(it.sidecar.state).toMatchObject({ op: null, hold: { admin: 'drain' } });
    expect(it.ended(it.ask('release'))).toMatchObject({ code: 'done', phase: 'serving' });
  });

  test('is over with a restart --force that takes over the shutdown that had gone over it', () => {
    const it = scene();
    it.ended(it.ask('hold', { reason: 'memory test' }));
    it.site.visit();
    it.ask('stop', { isShutdown: true, by: 'signal', onTimeout: 'force' });
    it.until('it is the operation', () => it.sidecar.state.op !== null);
    const restart = it.ask('restart', { force: true, reason: 'urgent' });
    it.time.advance(100);
    it.site.leave();
    expect(it.ended(restart)).toMatchObject({ code: 'done', phase: 'serving' });
    expect([it.sidecar.state.hold, it.admin()]).toEqual([null, 'ready']);
  });

  test('is over with a ready --force that undoes the shutdown that had gone over it', () => {
    const it = scene();
    it.ended(it.ask('hold', { reason: 'memory test' }));
    it.site.visit();
    it.ask('stop', { isShutdown: true, by: 'signal', onTimeout: 'force' });
    it.until('it is the operation', () => it.sidecar.state.op !== null);
    expect(it.ended(it.ask('ready', { force: true, reason: 'urgent' }))).toMatchObject({ code: 'done' });
    it.time.advance(5_000);
    expect([it.sidecar.state.hold, it.sidecar.state.phase, it.admin()]).toEqual([null, 'serving', 'ready']);
  });

  test('release without a hold is done at once', () => {
    const it = scene();
    expect(it.ended(it.ask('release'))).toMatchObject({ code: 'done', phase: 'serving' });
  });
});
