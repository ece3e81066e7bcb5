import { describe, expect, test } from '@jest/globals';
import { NO_OWN_REQUEST } from '../../../agent/lifecycle/model/state.ts';
import { step } from '../../../agent/lifecycle/step.ts';
import { scene } from '../../support/world/scene.ts';

const MINUTE = 60_000;

describe('A drain', () => {
  test('that was forgotten undoes itself when it expires', () => {
    const it = scene();
    it.ended(it.ask('drain', { expiresMs: MINUTE }));
    it.time.advance(MINUTE - 1_000);
    expect(it.sidecar.state.phase).toBe('drained');
    it.time.advance(2_000);
    expect(it.sidecar.state.phase).toBe('serving');
    expect(it.admin()).toBe('ready');
  });

  test('that expires holds and alarms as long as the application is not healthy', () => {
    const it = scene();
    it.ended(it.ask('drain', { expiresMs: MINUTE }));
    it.sidecar.probed('down');
    it.time.advance(2 * MINUTE);
    expect(it.sidecar.state.phase).toBe('drained');
    expect(Object.keys(it.sidecar.state.alarms)).toEqual(['expiry']);
    it.sidecar.probed('up');
    it.reach('serving');
    expect(it.sidecar.state.alarms).toEqual({});
  });

  test.each(['ready', 'stop'] as const)('whose expiry was held is over, alarm and all, with a %s', (kind) => {
    const it = scene();
    it.ended(it.ask('drain', { expiresMs: MINUTE }));
    it.sidecar.probed('down');
    it.time.advance(2 * MINUTE);
    expect(Object.keys(it.sidecar.state.alarms)).toEqual(['expiry']);
    const id = it.ask(kind);
    if (kind === 'ready') it.sidecar.probed('up');
    expect(it.ended(id).code).toBe('done');
    expect(it.sidecar.state.alarms).toEqual({});
  });

  test('of a drained node takes the expiry that it asks for', () => {
    const it = scene();
    it.ended(it.ask('drain'));
    expect(it.ended(it.ask('drain', { expiresMs: MINUTE }))).toMatchObject({
      code: 'done',
      phase: 'drained',
    });
    it.reach('serving');
    expect(it.admin()).toBe('ready');
  });

  test('whose return was refused when it expired asks for it at once when it is drained anew', () => {
    const it = scene();
    it.ended(it.ask('drain', { expiresMs: MINUTE }));
    const refused = { asked: null, failures: 5, retryAt: it.time.now + MINUTE };
    const { state } = it.sidecar;
    const before = {
      ...state,
      phase: 'draining' as const,
      ownRequests: { ...state.ownRequests, expiry: refused },
    };
    const [after] = step(it.policy, before, { type: 'tick', at: it.time.now });
    expect(after.ownRequests.expiry).toEqual(NO_OWN_REQUEST);
    const [waiting] = step(it.policy, { ...before, phase: 'drained' }, { type: 'tick', at: it.time.now });
    expect(waiting.ownRequests.expiry).toEqual(refused);
  });

  test.each(['stop', 'drain'] as const)('keeps its expiry through a %s that the guard refuses', (kind) => {
    const it = scene();
    it.ended(it.ask('drain', { expiresMs: MINUTE }));
    it.lb.others = 0;
    it.time.advance(5_000);
    const refused = it.ended(it.ask(kind, kind === 'drain' ? { expiresMs: 60 * MINUTE } : {}));
    expect(refused).toMatchObject({ code: 'guard', phase: 'drained' });
    it.time.advance(2 * MINUTE);
    expect([it.sidecar.state.phase, it.admin()]).toEqual(['serving', 'ready']);
  });

  test('of a stopped node says that it does not expire, and it does not', () => {
    const it = scene();
    it.ended(it.ask('stop'));
    const answered = it.ended(it.ask('drain', { expiresMs: MINUTE }));
    expect(answered).toMatchObject({ code: 'done', phase: 'stopped' });
    expect(answered.warnings.join()).toContain('the drain does not expire');
    it.time.advance(5 * MINUTE);
    expect(it.sidecar.state.phase).toBe('stopped');
    expect(it.ended(it.ask('drain')).warnings).toEqual([]);
  });

  test('that has expired stays while the application says that it is out', () => {
    const it = scene();
    it.ended(it.ask('drain', { expiresMs: MINUTE }));
    it.sidecar.probed('up', true);
    it.time.advance(5 * MINUTE);
    expect(it.sidecar.state.phase).toBe('drained');
    expect(it.sidecar.state.alarms['expiry']).toContain('signed itself out');
  });

  test('that would expire is refused where no probe could say that the application is well', () => {
    const it = scene({ hasProbe: false });
    const refused = it.ended(it.ask('drain', { expiresMs: MINUTE }));
    expect(refused).toMatchObject({ code: 'config', phase: 'serving' });
    expect(refused.message).toContain('app.probe');
    expect(it.effects.some(({ type }) => type === 'set-server' || type === 'persist')).toBe(false);
  });
});
