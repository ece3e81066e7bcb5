import { describe, expect, test } from '@jest/globals';
import { type Scene, scene } from '../../support/world/scene.ts';

/** Connections at a server that is to go to MAINT, behind an application that is believed gone: DRAIN comes first (I16). */

/** Stopped, and opened by another hand, with a user. */
function opened(): Scene {
  const it = scene();
  expect(it.ended(it.ask('stop'))).toMatchObject({ ok: true });
  it.time.advance(2_000);
  it.lb.server('app/app1').serving = 1;
  it.lb.set('app/app1', 'ready', 'operator');
  return it;
}

describe('A stopped node that another hand has opened gets DRAIN', () => {
  test('which is on disk before it is written: the next life knows it for its own', () => {
    const it = opened();
    it.until('DRAIN', () => it.admin() === 'drain');
    it.crash();
    it.time.advance(3_000);
    expect([it.admin(), it.sidecar.state.balancers['lb1']?.servers['app/app1']?.foreign]).toEqual([
      'drain',
      null,
    ]);
    it.lb.server('app/app1').serving = 0;
    it.until('the fence', () => it.admin() === 'maint');
    expect(it.ended(it.ask('ready'))).toMatchObject({ ok: true, phase: 'serving' });
  });

  test('and MAINT once its user has left', () => {
    const it = opened();
    it.until('DRAIN', () => it.admin() === 'drain');
    it.time.advance(3_000);
    it.lb.server('app/app1').serving = 0;
    it.until('the fence', () => it.admin() === 'maint');
  });
});
