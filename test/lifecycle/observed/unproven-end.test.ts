import { describe, expect, test } from '@jest/globals';
import { NO_SIGNS } from '../../../agent/engine/life-signs.ts';
import { scene, type Scene } from '../../support/world/scene.ts';

const OPEN = { ...NO_SIGNS, open: ['127.0.0.1:80'] };
const starts = (it: Scene): number => it.effects.filter(({ type }) => type === 'start').length;

describe('What a stop that proves nothing has left', () => {
  const stopped = (): Scene => {
    const it = scene({ stopIsIdempotent: false, stopProves: false });
    it.ended(it.ask('stop'));
    it.time.advance(1_000);
    it.site.app.left = [4_711];
    return it;
  };

  test('is waited for by ready, which then starts the application, and its result says so', () => {
    const it = stopped();
    const id = it.ask('ready');
    it.time.advance(5_000);
    expect(it.result(id)).toBeUndefined();
    expect([it.sidecar.state.phase, starts(it)]).toEqual(['warming', 0]);
    it.site.app.left = [];
    const result = it.ended(id);
    expect(result).toMatchObject({ ok: true, code: 'done', phase: 'serving' });
    expect(result.warnings.join()).toContain('process 4711, which listened at its port, lives');
    expect(starts(it)).toBe(1);
  });

  test('is waited for after a crash of the sidecar, too', () => {
    const it = stopped();
    it.crash();
    it.ask('ready');
    it.time.advance(5_000);
    expect([it.sidecar.state.phase, starts(it)]).toEqual(['warming', 0]);
  });

  test('is waited for where the watch of the process sees it before the start does', () => {
    const it = stopped();
    it.crash();
    it.ask('ready');
    it.reach('warming');
    it.sidecar.post({ type: 'app-gone', signs: { ...NO_SIGNS, processes: [4_711] } });
    it.time.advance(5_000);
    expect([it.sidecar.state.phase, starts(it)]).toEqual(['warming', 0]);
  });

  test('and never ends: at the deadline 70, and nothing was started beside it', () => {
    const it = stopped();
    const result = it.ended(it.ask('ready', { timeoutMs: 20_000 }));
    expect(result).toMatchObject({ ok: false, code: 'app-stop', phase: 'failed' });
    expect(result.message).toContain('process 4711');
    expect(result.message).toContain('app.stop.gone');
    expect(starts(it)).toBe(0);
  });

  test('is in the result of the next stop, which finds it stopped already', () => {
    const it = stopped();
    const result = it.ended(it.ask('stop'));
    expect(result).toMatchObject({ ok: true, code: 'done', phase: 'stopped' });
    expect(result.warnings.join()).toContain('nothing proves that the application is gone');
  });

  test('costs nothing where the end was proven', () => {
    const it = scene();
    it.ended(it.ask('stop'));
    it.site.app.left = [4_711];
    expect(it.ended(it.ask('ready'))).toMatchObject({ ok: true, phase: 'serving' });
  });
});

describe('A process that has ended by itself', () => {
  test('is not the end of the application while its port is open: a stop of unproven end is refused in the end', () => {
    const it = scene();
    it.site.visit();
    const id = it.ask('stop');
    it.reach('draining');
    it.sidecar.post({ type: 'app-gone', signs: OPEN });
    expect(it.sidecar.state.app).toMatchObject({ gone: false, proof: null });
    it.time.advance(2_000);
    // Its users are still waited for.
    expect(it.result(id)).toBeUndefined();
  });

  test('is believed to be the end once nothing answers', () => {
    const it = scene();
    it.ask('drain');
    it.reach('drained');
    it.sidecar.post({ type: 'app-gone', signs: OPEN });
    expect(it.sidecar.state.app.gone).toBe(false);
    it.sidecar.probed('down');
    it.sidecar.post({ type: 'app-gone', signs: NO_SIGNS });
    expect(it.sidecar.state.app.gone).toBe(true);
  });

  test('and was taken for gone: a stop asks again, and checks what answers like one that was never gone', () => {
    const it = scene();
    it.sidecar.probed('down');
    it.sidecar.post({ type: 'app-gone', signs: NO_SIGNS });
    expect(it.sidecar.state.app.gone).toBe(true);
    const before = it.effects.length;
    it.ask('stop');
    it.until('it is checked', () => it.effects.slice(before).some(({ type }) => type === 'check'));
    expect(it.effects.slice(before)).toContainEqual({
      type: 'look-for-life',
      id: 'stop1',
      sources: ['http', 'http 2'],
    });
    expect(it.sidecar.state.app.gone).toBe(false);
  });

  test('at the stop itself is no end while something answers: nothing is signalled, and 70', () => {
    const it = scene();
    const id = it.ask('stop');
    it.reach('stopping');
    it.sidecar.post({ type: 'stopped', epoch: 0, how: 'gone', warnings: [], signs: OPEN });
    const result = it.ended(id);
    expect(result).toMatchObject({ ok: false, code: 'app-stop', phase: 'failed' });
    expect(result.message).toContain('127.0.0.1:80 takes connections');
  });

  test('after a crash in the middle of the stop is in doubt while something answers', () => {
    const it = scene();
    const id = it.ask('stop');
    it.reach('stopping');
    it.sidecar.post({ type: 'stop-checked', epoch: 0, outcome: 'gone', signs: OPEN });
    expect(it.ended(id)).toMatchObject({ ok: false, code: 'in-doubt', phase: 'failed' });
  });

  test('as a child of lastcall is its end, whatever answers', () => {
    const it = scene({ supervises: true });
    it.sidecar.post({ type: 'app-gone', signs: OPEN });
    expect(it.sidecar.state.app.gone).toBe(true);
  });
});
