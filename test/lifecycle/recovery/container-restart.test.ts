import { describe, expect, test } from '@jest/globals';
import { scene } from '../../support/world/scene.ts';

const MINUTE = 60_000;

describe('After kill -9', () => {
  test('an application that a new sidecar started afresh comes into rotation', () => {
    const it = scene({ supervises: true });
    it.ended(it.ask('drain', { by: 'app' }));
    it.time.advance(100);
    it.sidecar.crash();
    it.site.die();
    it.sidecar.boot();
    it.reach('serving');
    expect(it.admin()).toBe('ready');
  });

  test.each(['drain', 'stop'] as const)(
    'one that an operator took out by a %s stays out, its container started again or not, until `ready` (I19)',
    (kind) => {
      const it = scene({ supervises: true });
      it.ended(it.ask(kind, { by: 'cli alice' }));
      it.time.advance(100);
      for (let round = 0; round < 2; round++) {
        it.sidecar.crash();
        it.site.die();
        it.sidecar.boot();
        it.time.advance(MINUTE);
        expect(it.sidecar.state).toMatchObject({ phase: 'drained', op: null });
        expect(it.admin()).toBe('maint');
      }
      expect(it.ended(it.ask('ready'))).toMatchObject({ code: 'done', phase: 'serving' });
      expect(it.admin()).toBe('ready');
    },
  );

  test.each([
    ['what lastcall took out by itself is brought back', 'app', 'serving', 'ready'],
    ['what an operator took out stays out', 'cli alice', 'drained', 'maint'],
  ] as const)('a second crash while the first one is made good: %s', (_what, by, phase, admin) => {
    const it = scene({ supervises: true });
    it.ended(it.ask('drain', { by }));
    it.time.advance(100);
    it.sidecar.crash();
    it.site.die();
    it.lb.setMode('slow');
    const before = it.disk.content;
    it.sidecar.boot();
    // The record of the application that was started afresh is written before any balancer has answered.
    while (it.disk.content === before) it.time.advance(0.1);
    expect(it.sidecar.state.phase).toBe('recovering');
    it.sidecar.crash();
    it.lb.setMode('answers');
    it.sidecar.boot();
    it.time.advance(MINUTE);
    expect(it.sidecar.state).toMatchObject({ phase, alarms: {} });
    expect(it.admin()).toBe(admin);
  });

  test.each(['drain', 'stop'] as const)(
    'a %s of an operator that joined the stop of a shutdown outlives the container all the same (I19)',
    (kind) => {
      const it = scene({ supervises: true });
      it.site.visit();
      it.ask('stop', { by: 'signal', isShutdown: true });
      it.reach('draining');
      it.time.advance(500);
      it.ask(kind, { by: 'cli alice' });
      it.time.advance(500);
      it.sidecar.crash();
      it.site.die();
      it.sidecar.boot();
      it.time.advance(MINUTE);
      expect(it.sidecar.state).toMatchObject({ phase: 'drained', op: null });
      expect(it.admin()).toBe('maint');
    },
  );

  test.each([
    ['given up for a `ready`', 'draining'],
    ['done, and then asked back', 'drained'],
  ] as const)(
    'a drain of an operator that was %s is not taken up again by a restart of the container',
    (_how, phase) => {
      const it = scene({ supervises: true });
      it.ask('drain', { by: 'cli alice' });
      it.reach(phase);
      it.time.advance(500);
      it.ask('ready', { by: 'cli alice' });
      while (it.sidecar.state.outing?.lasting === true) it.time.advance(0.1);
      while (it.sidecar.state.saved < it.sidecar.state.save) it.time.advance(0.1);
      expect(['returning', 'warming']).toContain(it.sidecar.state.phase);
      it.sidecar.crash();
      it.site.die();
      it.sidecar.boot();
      it.reach('serving');
      it.time.advance(MINUTE);
      expect([it.sidecar.state.phase, it.admin()]).toEqual(['serving', 'ready']);
    },
  );

  test('MAINT that an operator has set while `ready` is asked of a node in service stays over a new application (I2)', () => {
    const it = scene({ supervises: true });
    it.sidecar.crash();
    it.sidecar.boot();
    // No probe has answered yet, so `ready` waits, and wants nothing of a server.
    it.ask('ready');
    it.until('it waits for a probe', () => it.sidecar.state.phase === 'returning');
    it.lb.set('app/app1', 'maint', 'operator');
    const shown = (): string | undefined => it.sidecar.state.balancers['lb1']?.look?.servers[0]?.admin;
    it.until('lastcall has seen it', () => shown() === 'maint');
    it.until('it is on disk', () => it.sidecar.state.saved === it.sidecar.state.save);
    expect(it.sidecar.state.phase).toBe('returning');
    it.sidecar.crash();
    it.site.die();
    it.sidecar.boot();
    it.time.advance(MINUTE);
    expect(it.admin()).toBe('maint');
    it.lb.set('app/app1', 'ready', 'operator');
    it.time.advance(MINUTE);
    expect([it.sidecar.state.phase, it.admin()]).toEqual(['serving', 'ready']);
  });

  test('a drain of an operator whose container starts again goes on, and is done', () => {
    const it = scene({ supervises: true });
    it.site.visit();
    const id = it.ask('drain', { by: 'cli alice' });
    it.reach('draining');
    it.time.advance(500);
    it.sidecar.crash();
    it.site.die();
    it.sidecar.boot();
    expect(it.ended(id)).toMatchObject({ code: 'done', phase: 'drained' });
    expect(it.admin()).toBe('maint');
  });

  test('a drain of an operator outlives its container also where a preStop hook joins it', () => {
    const it = scene({ supervises: true });
    it.ended(it.ask('drain', { by: 'cli alice' }));
    it.ended(it.ask('drain', { by: 'prestop', noRefuse: true }));
    it.until('the record', () => it.sidecar.state.saved === it.sidecar.state.save);
    it.sidecar.crash();
    it.site.die();
    it.sidecar.boot();
    it.time.advance(MINUTE);
    expect([it.sidecar.state.phase, it.admin()]).toEqual(['drained', 'maint']);
  });

  test('one that was started by a sidecar which was killed before it could say so comes into rotation too', () => {
    const it = scene({ supervises: true });
    it.ended(it.ask('stop', { by: 'signal', isShutdown: true }));
    it.time.advance(100);
    it.sidecar.crash();
    it.site.revive();
    it.sidecar.boot();
    it.reach('serving');
    expect(it.admin()).toBe('ready');
    expect(it.sidecar.state.app.proof).toEqual(it.site.proof());
  });

  test('one that was started afresh during a return is seen healthy before HAProxy gets READY', () => {
    const it = scene({ supervises: true, hasProbe: true });
    it.ask('restart');
    it.reach('returning');
    while (JSON.parse(it.disk.content ?? '{}').phase !== 'returning') it.time.advance(1);
    it.sidecar.crash();
    it.site.die();
    it.sidecar.boot();
    // The oracle knows of no READY but in a return.
    it.reach('warming');
    it.reach('serving');
    expect(it.admin()).toBe('ready');
  });
});
