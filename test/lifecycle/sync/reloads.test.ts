import { describe, expect, test } from '@jest/globals';
import { scene } from '../../support/world/scene.ts';

describe('A reload of HAProxy without a state file', () => {
  test.each(['draining', 'settling', 'fencing', 'drained', 'stopping', 'stopped'] as const)(
    'while %s is healed within a second',
    (phase) => {
      const it = scene();
      if (phase === 'draining') it.site.visit();
      const id = it.ask('stop');
      it.reach(phase);
      it.time.advance(phase === 'draining' || phase === 'stopped' ? 500 : 0);
      it.lb.reload(false);
      expect(it.admin()).toBe('ready');
      it.time.advance(1_000);
      expect(it.admin()).not.toBe('ready');
      if (phase === 'draining') it.site.leave();
      expect(it.ended(id)).toMatchObject({ code: 'done', phase: 'stopped' });
      it.time.advance(1_000);
      expect(it.admin()).toBe('maint');
    },
  );

  test('while a start is under way: the application may be there already, so DRAIN and not MAINT takes users off', () => {
    const it = scene();
    it.ended(it.ask('stop'));
    it.time.advance(1_000);
    const ready = it.ask('ready');
    it.until('the start', () => it.sidecar.state.app.start === 'sent');
    it.lb.reload(false);
    it.time.advance(0.5);
    it.sidecar.post({ type: 'polled', balancer: 'lb1', look: it.lb.look(), startedAt: it.time.now });
    expect(it.sidecar.state).toMatchObject({ phase: 'warming', app: { gone: true, start: 'sent' } });
    it.until('DRAIN', () => it.admin() !== 'ready');
    expect(it.admin()).toBe('drain');
    expect(it.ended(ready)).toMatchObject({ code: 'done', phase: 'serving' });
  });

  test('while drained: DRAIN comes before MAINT, so that a user who came in meanwhile is waited for', () => {
    const it = scene();
    it.ended(it.ask('drain'));
    it.time.advance(3_000);
    it.lb.reload(false);
    it.site.visit();
    it.time.advance(20_000);
    expect(it.admin()).toBe('drain');
    expect(it.sidecar.state.phase).toBe('draining');
    expect(Object.keys(it.sidecar.state.alarms)).toEqual(['drained']);
    expect(it.sidecar.state.alarms['drained']).toMatch(/lb1: app\/app1|a user is on/);
    it.site.leave();
    it.reach('drained');
    expect(it.admin()).toBe('maint');
    expect(it.sidecar.state.alarms).toEqual({});
  });

  test('while stopped, of an application that was started from outside: DRAIN until its users have left', () => {
    const it = scene({
      hasProbe: false,
      sources: [],
      userSources: [],
      appSources: [],
      sticky: false,
      stopIsIdempotent: false,
    });
    it.ended(it.ask('stop'));
    it.time.advance(3_000);
    it.site.revive();
    it.lb.reload(false);
    const server = it.lb.server('app/app1');
    server.serving = 1;
    it.time.advance(10_000);
    expect(it.admin()).toBe('drain');
    server.serving = 0;
    it.time.advance(10_000);
    expect(it.admin()).toBe('maint');
    expect(it.sidecar.state.phase).toBe('stopped');
  });

  test('while stopped and without a sidecar, of an application that was started from outside: the first count is taken', () => {
    const it = scene({ hasProbe: false, stopIsIdempotent: false });
    it.ended(it.ask('stop'));
    it.time.advance(3_000);
    it.site.revive();
    const server = it.lb.server('app/app1');
    it.crash({}, () => {
      it.lb.reload(false);
      it.site.visit();
      server.serving = 1;
    });
    server.serving = 0;
    it.site.failing.add('http');
    it.time.advance(10_000);
    expect(it.admin()).toBe('drain');
    it.site.failing.clear();
    it.site.leave();
    expect(it.ended(it.ask('stop'))).toMatchObject({ code: 'done', phase: 'stopped' });
    expect(it.admin()).toBe('maint');
  });

  test('while the application is being started: DRAIN, since it may have users already', () => {
    const it = scene();
    it.ended(it.ask('stop'));
    const ready = it.ask('ready');
    it.until('the start', () => it.sidecar.state.app.start === 'sent' && it.admin() === 'maint');
    it.site.revive();
    it.lb.reload(false);
    const before = it.effects.length;
    it.sidecar.post({ type: 'polled', balancer: 'lb1', look: it.lb.look(), startedAt: it.time.now });
    expect(it.ended(ready)).toMatchObject({ code: 'done', phase: 'serving' });
    const said = it.effects.slice(before).flatMap((one) => (one.type === 'set-server' ? [one.admin] : []));
    expect(said).toEqual(['drain', 'ready']);
  });

  test('that is seen while the intent to stop goes to disk does not keep the node open: DRAIN again, and the stop', () => {
    const it = scene();
    const id = it.ask('stop');
    it.until('the intent', () => it.sidecar.state.app.stopIssued);
    it.lb.reload(false);
    it.sidecar.post({ type: 'polled', balancer: 'lb1', look: it.lb.look(), startedAt: it.time.now });
    it.time.advance(1_000);
    expect(it.admin()).not.toBe('ready');
    it.time.advance(10_000);
    expect(it.result(id)).toMatchObject({ code: 'done', phase: 'stopped' });
    expect(it.result(id)?.warnings).toContain(
      'lb1: app/app1 was found outside the fence before the stop; draining goes on',
    );
  });

  test('is in the result, with counters that began anew', () => {
    const it = scene();
    it.site.visit();
    const id = it.ask('drain');
    it.reach('draining');
    it.time.advance(500);
    it.lb.reload(false);
    it.time.advance(2_000);
    it.site.leave();
    const { receipt, warnings, reasserts } = it.ended(id);
    expect(reasserts.count).toBe(1);
    // From the last look that showed it: one poll of 250 ms, and the exchanges.
    expect(reasserts.slowestSeconds).toBeGreaterThan(0);
    expect(reasserts.slowestSeconds).toBeLessThan(0.5);
    expect(receipt.responseErrors).toBeNull();
    expect(warnings).toContain('lb1: app/app1 was found in READY: DRAIN was lost, and is put right');
    expect(warnings.join()).toContain('the counters of app/app1 began anew');
  });
});

describe('The receipt', () => {
  test('is what was counted during the operation, and no more', () => {
    const it = scene();
    it.lb.server('app/app1').errors = 7;
    it.time.advance(3_000);
    it.site.visit();
    const id = it.ask('drain');
    it.reach('draining');
    it.lb.server('app/app1').errors += 2;
    it.time.advance(3_000);
    it.site.leave();
    expect(it.ended(id).receipt).toMatchObject({ responseErrors: 2, connectionErrors: 0 });
  });
});
