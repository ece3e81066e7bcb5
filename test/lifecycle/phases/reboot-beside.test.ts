import { describe, expect, test } from '@jest/globals';
import type { Phase } from '../../../agent/lifecycle/model/api.ts';
import type { StateRecord } from '../../../agent/lifecycle/model/record.ts';
import { MINUTE, asked, powerCycle, untilAsked } from '../../support/world/reboot-scene.ts';
import { scene } from '../../support/world/scene.ts';

/** A reboot of the machine, and what comes in between: a power cut, other requests. */

describe('A power cut during a reboot', () => {
  test.each(['draining', 'fencing', 'drained', 'stopping'] as const satisfies readonly Phase[])(
    'before it was asked for (%s): it ends 1, is not asked for any more, and the node stays out',
    (phase) => {
      const it = scene();
      if (phase === 'draining') it.site.visit();
      const id = it.ask('reboot');
      it.reach(phase);
      while (it.sidecar.state.saved < it.sidecar.state.intentSave) it.time.advance(0.1);
      powerCycle(it, true);
      expect(it.ended(id)).toMatchObject({
        code: 'failed',
        phase: 'failed',
        message: expect.stringContaining('a power cut'),
      });
      it.time.advance(10 * MINUTE);
      expect(asked(it)).toEqual([]);
      expect(it.admin()).not.toBe('ready');
      expect(it.ended(it.ask('ready'))).toMatchObject({ code: 'done', phase: 'serving' });
    },
  );

  test('while it is being given up: what was found is put back', () => {
    const it = scene();
    it.site.visit();
    const id = it.ask('reboot');
    it.reach('draining');
    it.time.advance(500);
    it.cancel();
    it.until('it is given up, on disk', () => {
      const { op } = JSON.parse(it.disk.content ?? 'null') as StateRecord;
      return op !== null && op.outcome !== null;
    });
    powerCycle(it, true);
    expect(it.ended(id)).toMatchObject({ code: 'cancelled', phase: 'serving' });
    expect(it.admin()).toBe('ready');
  });
});

describe('Beside a reboot', () => {
  test('a restart that has begun is taken over, and its caller gets the result of both after the boot', () => {
    const it = scene();
    it.site.visit();
    const restart = it.ask('restart');
    it.reach('draining');
    const id = it.ask('reboot');
    it.time.advance(500);
    it.site.leave();
    untilAsked(it);
    expect(asked(it)).toEqual([id]);
    expect(it.result(restart)).toBeUndefined();
    powerCycle(it);
    expect(it.ended(restart)).toMatchObject({ code: 'done', phase: 'serving' });
    expect(it.ended(id)).toMatchObject({ code: 'done', phase: 'serving' });
  });

  test('drain and stop are part of it, and done where it stops', () => {
    const it = scene();
    it.site.visit();
    const id = it.ask('reboot');
    it.reach('draining');
    const [drain, stop] = [it.ask('drain'), it.ask('stop')];
    it.time.advance(500);
    it.site.leave();
    expect(it.ended(drain)).toMatchObject({ code: 'done', phase: 'drained' });
    expect(it.ended(stop)).toMatchObject({ code: 'done', phase: 'stopped' });
    untilAsked(it);
    // `systemctl stop` of the application, by the machine that goes down.
    expect(it.ended(it.ask('drain', { noRefuse: true }))).toMatchObject({ code: 'done', phase: 'stopped' });
    expect(it.ended(it.ask('stop', { isShutdown: true }))).toMatchObject({ code: 'done', phase: 'stopped' });
    powerCycle(it);
    expect(it.ended(id)).toMatchObject({ code: 'done', phase: 'serving' });
  });

  test('a stop after a crash is done by what this life finds, and not by the record: another hand has started the application', () => {
    const it = scene();
    it.ask('reboot');
    untilAsked(it);
    it.crash({}, () => it.site.revive());
    const stop = it.ask('stop');
    expect(it.ended(stop)).toMatchObject({ code: 'busy', message: expect.stringContaining('reboot') });
  });

  test('a stop after a crash is done once this life has seen that the application is gone', () => {
    const it = scene();
    it.ask('reboot');
    untilAsked(it);
    it.crash();
    const stop = it.ask('stop');
    expect(it.ended(stop)).toMatchObject({ code: 'done', phase: 'stopped', warnings: [] });
    expect(it.sidecar.state.app).toMatchObject({ gone: true, recordedEnd: null });
  });

  test.each(['stopping', 'stopped'] as const)(
    '`restart` and `ready` that come while it is %s wait for the boot',
    (phase) => {
      const it = scene();
      const id = it.ask('reboot');
      it.reach(phase);
      const others = [it.ask('restart'), it.ask('ready')];
      it.time.advance(2_000);
      expect(others.map((one) => it.result(one))).toEqual([undefined, undefined]);
      powerCycle(it);
      for (const one of [id, ...others])
        expect(it.ended(one)).toMatchObject({ code: 'done', phase: 'serving' });
    },
  );

  test('`ready` during its drain gives it up', () => {
    const it = scene();
    it.site.visit();
    const id = it.ask('reboot');
    it.reach('draining');
    expect(it.ended(it.ask('ready'))).toMatchObject({ code: 'done', phase: 'serving' });
    expect(it.ended(id)).toMatchObject({ code: 'cancelled' });
    expect(asked(it)).toEqual([]);
  });

  test('a hold refuses it', () => {
    const it = scene();
    it.ended(it.ask('hold', { reason: 'mine' }));
    expect(it.ended(it.ask('reboot'))).toMatchObject({ code: 'held' });
  });

  test('a stopped node is rebooted without another stop', () => {
    const it = scene();
    it.ended(it.ask('stop'));
    const id = it.ask('reboot');
    untilAsked(it);
    expect(it.effects.filter(({ type }) => type === 'stop')).toHaveLength(1);
    powerCycle(it);
    expect(it.ended(id)).toMatchObject({ code: 'done', phase: 'serving' });
  });

  test('--dry-run says what would happen, and changes nothing', () => {
    const it = scene();
    const { plan } = it.ended(it.ask('reboot', { dryRun: true }));
    expect(plan).toContain('reboot the machine by `systemctl reboot`');
    expect(it.admin()).toBe('ready');
    expect(asked(it)).toEqual([]);
  });
});
