import { describe, expect, test } from '@jest/globals';
import type { Scene } from '../../support/world/scene.ts';
import { scene } from '../../support/world/scene.ts';
import { adminsWritten, server, shown } from '../../support/world/writes.ts';

/** What HAProxy does to a server meanwhile: no operator's hand, and nothing of it is left behind. */

const MINUTE = 60_000;

describe('A server whose line a reload removes', () => {
  const remove = (it: Scene): void => {
    it.lb.reload(false);
    server(it).absent = true;
  };
  const bringBack = (it: Scene): void => {
    it.lb.reload(false);
    server(it).absent = false;
  };

  test('gets no users: the drain goes on by what is counted, and ends with a warning that names it', () => {
    const it = scene();
    it.site.visit();
    const id = it.ask('stop');
    it.reach('draining');
    it.time.advance(1_000);
    remove(it);
    it.time.advance(5 * MINUTE);
    expect(it.result(id)).toBeUndefined();
    it.site.leave();
    const result = it.ended(id);
    expect(result).toMatchObject({ code: 'done', phase: 'stopped' });
    expect(result.balancers[0]?.servers[0]).toMatchObject({ admin: null, connections: 0 });
    expect(result.warnings.filter((text) => text.includes('was removed from HAProxy'))).toHaveLength(1);
    expect(result.warnings.join()).not.toContain('could not be set');
  });

  test('is drained again when a reload brings it back: DRAIN before MAINT', () => {
    const it = scene();
    expect(it.ended(it.ask('drain')).code).toBe('done');
    remove(it);
    it.time.advance(MINUTE);
    expect(it.sidecar.state.phase).toBe('drained');
    expect(Object.values(it.sidecar.state.alarms).join()).toContain('no users are sent to it by this name');
    bringBack(it);
    it.time.advance(MINUTE);
    expect(it.sidecar.state.phase).toBe('drained');
    expect(adminsWritten(it)).toEqual(['drain', 'maint', 'drain', 'maint']);
    expect(it.sidecar.state.alarms).toEqual({});
  });

  test('is a clear end for ready, and never an endless return', () => {
    const it = scene();
    expect(it.ended(it.ask('drain')).code).toBe('done');
    remove(it);
    it.time.advance(MINUTE);
    const id = it.ask('ready');
    expect(it.ended(id)).toMatchObject({ code: 'no-such-server', phase: 'serving' });
    expect(it.result(id)?.message).toContain('was removed from HAProxy');
  });

  test('holds nothing back: an operator’s mark goes with it, the drain is done, and ready does not say `held`', () => {
    const it = scene();
    it.site.visit();
    const id = it.ask('drain', { timeoutMs: 5 * MINUTE });
    it.reach('draining');
    it.time.advance(3_000);
    it.lb.set('app/app1', 'maint', 'operator');
    it.time.advance(3_000);
    expect(shown(it)).toMatchObject({ owner: 'operator' });
    remove(it);
    it.time.advance(3_000);
    expect(shown(it)).toMatchObject({ owner: 'none' });
    it.site.leave();
    expect(it.ended(id)).toMatchObject({ code: 'done', phase: 'drained' });
    expect(it.ended(it.ask('ready'))).toMatchObject({ code: 'no-such-server' });
  });

  test('does not keep a drain from being given up', () => {
    const it = scene();
    it.site.visit();
    const id = it.ask('drain', { timeoutMs: MINUTE, onTimeout: 'restore' });
    it.reach('draining');
    remove(it);
    expect(it.ended(id)).toMatchObject({ code: 'deadline', phase: 'serving' });
  });

  test('is done with a warning for ready, where the others are back', () => {
    const balancers = [
      { name: 'lb1', servers: ['app/app1', 'api/app1'], counts: true, seesOldWorkers: true },
    ];
    const it = scene({ balancers });
    expect(it.ended(it.ask('drain')).code).toBe('done');
    remove(it);
    it.time.advance(MINUTE);
    const back = it.ended(it.ask('ready'));
    expect(back).toMatchObject({ code: 'done' });
    expect(back.warnings.join()).toContain('app/app1 was removed');
    expect(it.admin('api/app1')).toBe('ready');
  });
});
