import { describe, expect, test } from '@jest/globals';
import type { Effect } from '../../../agent/lifecycle/model/effect.ts';
import { wasFenced } from '../../../agent/lifecycle/observed/health.ts';
import {
  BACKENDS,
  ONE,
  TWO,
  alarms,
  at,
  between,
  inPhase,
  lb,
} from '../../support/world/configured-places.ts';

const MINUTE = 60_000;

describe('A server that the configuration lost while the node is out (I17)', () => {
  test('is named by an alarm, stays as it is until the node returns, and is then put back', () => {
    const it = between(BACKENDS, ONE);
    it.ended(it.ask('drain'));
    it.time.advance(100);
    it.crash({ balancers: ONE });
    it.time.advance(MINUTE);
    expect(at(it, 'lb1', 'api/app1')).toBe('maint');
    expect(alarms(it)).toMatch(/lb1: api\/app1 is no longer in the configuration.*MAINT.*READY/);
    it.ended(it.ask('stop'));
    expect(at(it, 'lb1', 'api/app1')).toBe('maint');
    expect(it.ended(it.ask('ready'))).toMatchObject({ ok: true, phase: 'serving' });
    it.time.advance(1_000);
    expect([at(it, 'lb1'), at(it, 'lb1', 'api/app1'), alarms(it)]).toEqual(['ready', 'ready', '']);
    expect(JSON.parse(it.disk.content ?? '').balancers.lb1.servers).not.toHaveProperty('api/app1');
  });

  test('an aborted drain puts it back too, and a crash on the way forgets nothing', () => {
    const it = between(BACKENDS, ONE);
    it.site.visit();
    const id = it.ask('drain');
    inPhase(it, 'draining');
    it.time.advance(500);
    for (let round = 0; round < 2; round++) it.crash({ balancers: ONE });
    expect(at(it, 'lb1', 'api/app1')).toBe('drain');
    it.cancel();
    expect(it.ended(id)).toMatchObject({ code: 'cancelled', phase: 'serving' });
    it.time.advance(1_000);
    expect([at(it, 'lb1', 'api/app1'), alarms(it)]).toEqual(['ready', '']);
  });

  test('it is never fenced: no poll shows its users, and MAINT would throw them out', () => {
    const it = between(BACKENDS, ONE);
    it.site.visit();
    const id = it.ask('drain');
    inPhase(it, 'draining');
    it.time.advance(500);
    it.crash({ balancers: ONE });
    it.site.leave();
    expect(it.ended(id)).toMatchObject({ ok: true, phase: 'drained' });
    it.time.advance(2_000);
    expect([at(it, 'lb1'), at(it, 'lb1', 'api/app1')]).toEqual(['maint', 'drain']);
  });

  test('configured again it is ours with what was found, and no operator holds it', () => {
    const it = between(BACKENDS, ONE);
    it.ended(it.ask('drain'));
    it.time.advance(100);
    it.crash({ balancers: ONE });
    it.crash({ balancers: BACKENDS });
    it.time.advance(2_000);
    expect(it.sidecar.state).toMatchObject({ phase: 'drained', alarms: {} });
    expect(it.sidecar.state.balancers['lb1']?.servers['api/app1']).toMatchObject({
      found: { admin: 'ready' },
      foreign: null,
      isLost: false,
    });
    expect(it.ended(it.ask('ready'))).toMatchObject({ ok: true });
    expect(at(it, 'lb1', 'api/app1')).toBe('ready');
  });

  test('at a balancer that is not configured any more it is an alarm, and left: its address is not ours to use', () => {
    const it = between(TWO, ONE);
    it.ended(it.ask('drain'));
    it.time.advance(100);
    it.crash({ balancers: ONE });
    it.time.advance(2_000);
    expect(alarms(it)).toMatch(/lb2: app\/app1 is no longer in the configuration.*READY by hand/);
    const back = it.ended(it.ask('ready'));
    expect(back).toMatchObject({ ok: true, phase: 'serving' });
    expect(back.warnings.join('\n')).toMatch(/lb2: app\/app1 .* set it to READY by hand/);
    expect(at(it, 'lb2')).toBe('maint');
  });

  test('and a balancer that is configured again before the return is ours again', () => {
    const it = between(TWO, ONE);
    it.ended(it.ask('drain'));
    it.time.advance(100);
    it.crash({ balancers: ONE });
    it.time.advance(2_000);
    it.crash({ balancers: TWO });
    it.time.advance(2_000);
    expect(it.sidecar.state).toMatchObject({ phase: 'drained', alarms: {} });
    expect(it.ended(it.ask('ready'))).toMatchObject({ ok: true });
    expect(at(it, 'lb2')).toBe('ready');
  });

  test('one that was renamed was fenced by its old name: READY by the new one waits for probes (I15)', () => {
    const after = [lb('lb1', 'web/app1')];
    const it = between([lb('lb1', 'app/app1')], after);
    it.ended(it.ask('drain'));
    it.time.advance(100);
    it.lb.server('app/app1').absent = true;
    it.lb.server('web/app1').serving = 1;
    it.crash({ balancers: after });
    it.time.advance(MINUTE);
    expect([at(it, 'lb1', 'web/app1'), wasFenced(it.sidecar.state)]).toEqual(['drain', true]);
  });

  test('one that an operator has put in DRAIN under its old name since was fenced all the same', () => {
    const after = [lb('lb1', 'web/app1')];
    const it = between([lb('lb1', 'app/app1')], after);
    it.ended(it.ask('drain'));
    it.time.advance(100);
    it.lb.set('app/app1', 'drain', 'operator');
    it.time.advance(5_000);
    // A user is there under the new name, so that one is not fenced.
    it.lb.server('web/app1').serving = 1;
    for (let life = 0; life < 2; life += 1) {
      it.crash({ balancers: after });
      it.time.advance(1_000);
      expect([at(it, 'lb1', 'web/app1'), wasFenced(it.sidecar.state)]).toEqual(['drain', true]);
    }
  });

  test('one that was renamed is lost under the old name and gained under the new one', () => {
    const before = [lb('lb1', 'app/app1')];
    const after = [lb('lb1', 'web/app1')];
    const it = between(before, after);
    it.ended(it.ask('drain'));
    it.time.advance(100);
    it.lb.server('app/app1').absent = true;
    it.crash({ balancers: after });
    expect(it.ended(it.ask('stop'))).toMatchObject({ ok: true, phase: 'stopped' });
    expect(at(it, 'lb1', 'web/app1')).toBe('maint');
    expect(it.ended(it.ask('ready'))).toMatchObject({ ok: true, phase: 'serving' });
    it.time.advance(2_000);
    expect([at(it, 'lb1', 'web/app1'), alarms(it)]).toEqual(['ready', '']);
  });

  test('whose write fails is written again, and the node has returned once it is back', () => {
    const it = between(BACKENDS, ONE);
    it.ended(it.ask('drain'));
    it.time.advance(100);
    it.crash({ balancers: ONE });
    it.time.advance(1_000);
    const id = it.ask('ready');
    it.reach('returning');
    const isBack = (one: Effect): boolean =>
      one.type === 'set-server' && one.server === 'api/app1' && one.admin === 'ready';
    it.until('READY being written', () => it.effects.some(isBack));
    const { epoch } = it.sidecar.state;
    it.sidecar.post({ type: 'set-server-failed', balancer: 'lb1', server: 'api/app1', epoch, error: 'cut' });
    expect(it.ended(id)).toMatchObject({ ok: true, phase: 'serving' });
    expect(at(it, 'lb1', 'api/app1')).toBe('ready');
  });
});
