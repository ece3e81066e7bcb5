import { describe, expect, test } from '@jest/globals';
import type { StateRecord } from '../../../agent/lifecycle/model/record.ts';
import { MINUTE, asked, powerCycle, untilAsked } from '../../support/world/reboot-scene.ts';
import { type Scene, scene } from '../../support/world/scene.ts';

describe('A reboot of the machine', () => {
  test('waits for the users, stops the application, is asked for once, and after the boot the node is back', () => {
    const it = scene();
    it.site.visit();
    const id = it.ask('reboot', { reason: 'kernel' });
    it.time.advance(3 * MINUTE);
    expect(asked(it)).toEqual([]);
    expect(it.site.app.alive).toBe(true);
    it.site.leave();
    it.reach('stopped');
    untilAsked(it);
    expect(it.site.app.alive).toBe(false);
    expect(it.admin()).toBe('maint');
    it.time.advance(20_000);
    expect(it.result(id)).toBeUndefined();
    powerCycle(it);
    expect(it.ended(id)).toMatchObject({
      ok: true,
      code: 'done',
      operation: 'reboot',
      phase: 'serving',
      reason: 'kernel',
    });
    expect(asked(it)).toEqual([id]);
    expect(it.site.app.alive).toBe(true);
    expect(it.admin()).toBe('ready');
  });

  test('answers a stop that comes in between with what its own stop had to warn of', () => {
    const it = scene({ stopIsIdempotent: false, stopProves: false });
    const id = it.ask('reboot');
    untilAsked(it);
    const { code, warnings } = it.ended(it.ask('stop'));
    expect(code).toBe('done');
    expect(warnings).toContain('nothing proves that the application is gone');
    powerCycle(it);
    expect(it.ended(id).code).toBe('done');
  });

  test('does not expire: a drain that asks for it while the reboot is waited for is answered so', () => {
    const it = scene();
    it.ask('reboot');
    untilAsked(it);
    const { code, warnings } = it.ended(it.ask('drain', { expiresMs: MINUTE }));
    expect(code).toBe('done');
    expect(warnings.join()).toContain('does not expire');
    expect(it.ended(it.ask('drain')).warnings).toEqual([]);
  });

  test('its intent is on disk before it is asked for', () => {
    const it = scene();
    it.ask('reboot');
    untilAsked(it);
    const record = JSON.parse(it.disk.content ?? 'null') as StateRecord;
    expect(record).toMatchObject({ phase: 'stopped', op: { kind: 'reboot', reboot: 'sent' } });
  });

  test('is not asked for where the disk does not hold its intent', () => {
    const it = scene();
    const id = it.ask('reboot');
    it.reach('stopping');
    while (it.sidecar.state.saved < it.sidecar.state.save) it.time.advance(0.1);
    it.disk.failing = true;
    expect(it.ended(id)).toMatchObject({ code: 'state-write', phase: 'failed' });
    it.time.advance(10 * MINUTE);
    expect(asked(it)).toEqual([]);
  });

  test('that was refused ends 1, names why, and the node stays out until `ready`', () => {
    const it = scene();
    it.site.app.reboot = 'refused';
    const id = it.ask('reboot');
    expect(it.ended(id)).toMatchObject({
      code: 'failed',
      phase: 'failed',
      message: expect.stringContaining('systemctl: exit code 1'),
    });
    expect(it.admin()).toBe('maint');
    it.time.advance(10 * MINUTE);
    expect(it.ended(it.ask('ready'))).toMatchObject({ code: 'done', phase: 'serving' });
    expect(asked(it)).toEqual([id]);
  });

  test('that never comes ends 1 within a bounded time, and a new request asks anew', () => {
    const it = scene();
    const id = it.ask('reboot');
    it.reach('stopped');
    const since = it.time.now;
    expect(it.ended(id)).toMatchObject({
      code: 'failed',
      phase: 'failed',
      message: expect.stringContaining('has not come within 300 s'),
    });
    expect(it.time.now - since).toBeLessThan(301_000);
    expect(it.admin()).toBe('maint');
    const again = it.ask('reboot');
    it.until('it is asked for again', () => asked(it).includes(again));
    expect(asked(it)).toEqual([id, again]);
  });

  test.each([
    ['before', (it: Scene) => it.sidecar.state.op?.reboot === 'intended'],
    ['after', (it: Scene) => asked(it).length > 0],
  ] as const)('a sidecar that was killed just %s it was asked for leaves it at that', (_when, is) => {
    const it = scene();
    const id = it.ask('reboot');
    it.until('then', () => is(it));
    while (it.sidecar.state.saved < it.sidecar.state.intentSave) it.time.advance(0.1);
    const before = asked(it).length;
    it.crash();
    expect(it.ended(id)).toMatchObject({ code: 'failed', phase: 'failed' });
    expect(asked(it)).toHaveLength(before);
    expect(before).toBeLessThan(2);
  });

  test('that comes after such a kill is its own all the same', () => {
    const it = scene();
    const id = it.ask('reboot');
    untilAsked(it);
    it.crash();
    it.time.advance(MINUTE);
    powerCycle(it);
    expect(it.ended(id)).toMatchObject({ code: 'done', phase: 'serving' });
  });

  test('a second boot during the way back changes nothing: it was its own', () => {
    const it = scene();
    const id = it.ask('reboot');
    untilAsked(it);
    powerCycle(it);
    it.reach('warming');
    while (it.sidecar.state.saved < it.sidecar.state.intentSave) it.time.advance(0.1);
    powerCycle(it);
    expect(it.ended(id)).toMatchObject({ code: 'done', phase: 'serving' });
    expect(asked(it)).toEqual([id]);
  });

  test('the way back has a time of its own, however long the drain took', () => {
    const it = scene({ returnMs: 5 * MINUTE });
    it.site.visit();
    const id = it.ask('reboot', { timeoutMs: 100 * MINUTE });
    it.time.advance(90 * MINUTE);
    it.site.leave();
    untilAsked(it);
    it.site.app.start = 'unhealthy';
    powerCycle(it);
    it.reach('warming');
    const since = it.time.now;
    expect(it.ended(id)).toMatchObject({ code: 'app-health', phase: 'failed' });
    expect(it.time.now - since).toBeGreaterThan(4.9 * MINUTE);
    expect(it.admin()).toBe('maint');
  });

  test('an application that fails after the boot leaves the node out', () => {
    const it = scene();
    const id = it.ask('reboot');
    untilAsked(it);
    it.site.app.start = 'fails';
    powerCycle(it);
    expect(it.ended(id)).toMatchObject({ code: 'app-health', phase: 'failed' });
    expect(it.admin()).toBe('maint');
  });

  test('an application that ends unseen right after its start is fenced where HAProxy came up READY', () => {
    const it = scene({ stopIsIdempotent: false, stopProves: false, returnMs: MINUTE });
    const id = it.ask('reboot');
    untilAsked(it);
    it.site.failing.add('http');
    it.site.app.start = 'unhealthy';
    powerCycle(it, false, true);
    it.until('it is started', () => it.site.app.alive);
    it.site.die();
    expect(it.ended(id)).toMatchObject({ code: 'app-health', phase: 'failed' });
    it.time.advance(10_000);
    const since = it.effects.length;
    expect([it.sidecar.state.phase, it.admin()]).toEqual(['failed', 'maint']);
    it.lb.reload(false);
    it.time.advance(10_000);
    expect(it.effects.slice(since).flatMap((one) => (one.type === 'set-server' ? [one.admin] : []))).toEqual([
      'maint',
    ]);
  });

  test('an application that lives, and is not healthy, keeps its users: DRAIN until it has ended', () => {
    const it = scene({ stopIsIdempotent: false, stopProves: false, returnMs: MINUTE });
    const id = it.ask('reboot');
    untilAsked(it);
    it.site.app.start = 'unhealthy';
    powerCycle(it, false, true);
    expect(it.ended(id)).toMatchObject({ code: 'app-health', phase: 'failed' });
    it.time.advance(60_000);
    expect(it.admin()).toBe('drain');
    it.site.die();
    it.time.advance(10_000);
    expect([it.sidecar.state.phase, it.admin()]).toEqual(['failed', 'maint']);
  });

  test('without a start the boot itself starts the application', () => {
    const it = scene({ canStart: false });
    const id = it.ask('reboot');
    untilAsked(it);
    powerCycle(it, true);
    expect(it.ended(id)).toMatchObject({ code: 'done', phase: 'serving' });
    expect(it.effects.filter(({ type }) => type === 'start')).toEqual([]);
  });

  test('without a start and without a probe it is refused: nothing would show that the application is there', () => {
    const it = scene({ canStart: false, hasProbe: false });
    expect(it.ended(it.ask('reboot'))).toMatchObject({ code: 'config', phase: 'serving' });
    expect(it.admin()).toBe('ready');
  });

  test('under `run -- COMMAND` the child of the next boot is its application', () => {
    const it = scene({ supervises: true });
    const id = it.ask('reboot');
    untilAsked(it);
    powerCycle(it);
    expect(it.ended(id)).toMatchObject({ code: 'done', phase: 'serving' });
    expect(asked(it)).toEqual([id]);
  });
});
