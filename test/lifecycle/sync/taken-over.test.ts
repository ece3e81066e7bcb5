import { describe, expect, test } from '@jest/globals';
import { type Scene, scene } from '../../support/world/scene.ts';
import { at, busy, TWO } from '../../support/world/configured-places.ts';

/** `--force` over an operator's state, on a node that an earlier operation had taken out (INVARIANTS.md#i4, contract: held). */

const MINUTE = 60_000;
const force = { force: true, reason: 'ours now' };

const heldAt = (it: Scene, balancer: string) =>
  it.sidecar.state.balancers[balancer]?.servers['app/app1']?.foreign;

/** Out by an operation that is done, and then an operator says DRAIN over it at the second balancer. */
function outUnderAnOperator(kind: 'drain' | 'stop', changes: Parameters<typeof scene>[0] = {}): Scene {
  const it = scene({ balancers: TWO, ...changes }, ({ balancers }) => {
    for (const { servers } of balancers) for (const server of servers) server.weight = 100;
  });
  expect(it.ended(it.ask(kind))).toMatchObject({ code: 'done' });
  it.site.balancer('lb2').set('app/app1', 'drain', 'operator');
  it.until('it is marked', () => heldAt(it, 'lb2') === 'drain');
  return it;
}

describe('--force takes over an operator’s DRAIN', () => {
  test('of a node that was drained: the stop fences it once its users have left, and goes on to its end', () => {
    const it = outUnderAnOperator('drain');
    const user = busy(it);
    const id = it.ask('stop', force);
    it.time.advance(20_000);
    expect([it.sidecar.state.phase, at(it, 'lb2')]).toEqual(['draining', 'drain']);
    user.leave();
    expect(it.ended(id)).toMatchObject({ code: 'done', phase: 'stopped', forced: 0 });
    expect(at(it, 'lb2')).toBe('maint');
  });

  test('of a node on its way back, and that is what is put back', () => {
    const weighed = TWO.map((balancer) => ({ ...balancer, weighs: true }));
    const it = outUnderAnOperator('stop', { warmUpMs: 10_000, balancers: weighed });
    it.ask('ready');
    it.until('its ramp', () => at(it, 'lb1') === 'ready');
    it.time.advance(2_000);
    const user = busy(it, 'lb1');
    const id = it.ask('drain', { ...force, timeoutMs: 10_000 });
    it.until('DRAIN', () => at(it, 'lb1') === 'drain');
    expect(it.ended(id)).toMatchObject({ code: 'deadline' });
    user.leave();
    it.time.advance(MINUTE);
    expect([at(it, 'lb1'), at(it, 'lb2')]).toEqual(['ready', 'drain']);
  });
});
