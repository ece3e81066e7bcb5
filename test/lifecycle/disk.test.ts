import { describe, expect, test } from '@jest/globals';
import { scene } from '../support/world/scene.ts';

const MINUTE = 60_000;

describe('A disk that fails', () => {
  test('lets no operation begin, and everything is as before', () => {
    const it = scene();
    it.disk.failing = true;
    const result = it.ended(it.ask('stop'));
    expect(result).toMatchObject({ ok: false, code: 'state-write', phase: 'serving' });
    it.time.advance(MINUTE);
    expect(it.effects.some(({ type }) => type === 'set-server' || type === 'reply')).toBe(false);
    it.disk.failing = false;
    expect(it.ended(it.ask('stop'))).toMatchObject({ code: 'done', phase: 'stopped' });
  });

  test('does not stop what is under way, but raises an alarm until it can be written again', () => {
    const it = scene();
    it.site.visit();
    const id = it.ask('drain');
    it.reach('draining');
    it.time.advance(500);
    it.disk.failing = true;
    it.site.leave();
    expect(it.ended(id).code).toBe('done');
    it.time.advance(100);
    expect(Object.keys(it.sidecar.state.alarms)).toEqual(['disk']);
    it.disk.failing = false;
    it.time.advance(5_000);
    expect(it.sidecar.state.alarms).toEqual({});
    expect(JSON.parse(it.disk.content ?? '')).toMatchObject({ phase: 'drained' });
  });

  test('keeps a stop that may not be repeated from being sent', () => {
    const it = scene({ stopIsIdempotent: false });
    it.site.visit();
    const id = it.ask('stop');
    it.reach('draining');
    it.time.advance(500);
    it.disk.failing = true;
    it.site.leave();
    expect(it.ended(id)).toMatchObject({ ok: false, code: 'state-write', phase: 'failed' });
    expect(it.site.app.alive).toBe(true);
  });

  test('lets a running operation keep its deadline when another one cannot be written', () => {
    const it = scene();
    it.site.visit();
    const id = it.ask('drain', { timeoutMs: 10 * MINUTE });
    it.reach('draining');
    it.time.advance(500);
    it.disk.failing = true;
    const joined = it.ask('drain', { timeoutMs: MINUTE });
    expect(it.ended(joined)).toMatchObject({ ok: false, code: 'state-write' });
    it.disk.failing = false;
    it.time.advance(5 * MINUTE);
    expect(it.result(id)).toBeUndefined();
    it.time.advance(6 * MINUTE);
    expect(it.result(id)?.code).toBe('deadline');
  });
});
