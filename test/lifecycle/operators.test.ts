import { describe, expect, test } from '@jest/globals';
import { scene } from '../support/world/scene.ts';

describe('An operator who comes between our word and its read-back', () => {
  test('is not forgotten when the operation is given up before the answer: his DRAIN over our MAINT stays his', () => {
    const it = scene();
    const id = it.ask('drain');
    it.reach('fencing');
    while (it.admin() !== 'maint') it.time.advance(0.1);
    expect(it.sidecar.state.balancers['lb1']?.servers['app/app1']?.write.underWay).not.toBeNull();
    it.lb.set('app/app1', 'drain', 'operator');
    it.cancel();
    expect(it.ended(id)).toMatchObject({ code: 'cancelled' });
    it.time.advance(60_000);
    expect(it.lb.server('app/app1')).toMatchObject({ admin: 'drain', by: 'operator' });
    expect(it.ended(it.ask('ready'))).toMatchObject({ code: 'held' });
  });
});
