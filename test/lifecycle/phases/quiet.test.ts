import { describe, expect, test } from '@jest/globals';
import { TWO, busy } from '../../support/world/configured-places.ts';
import { type Scene, scene } from '../../support/world/scene.ts';
import { adminsWritten } from '../../support/world/writes.ts';

/** Zero has held for `drain.quiet` where every balancer has said so to the end of it (INVARIANTS.md#i7). */

const TERMS = { balancers: TWO, sources: [], sticky: false };

/** The second balancer falls silent a moment after zero, and a user comes there who is bound to the node. */
function silentAfterZero(quietMs: number): Scene & { readonly user: { leave(): void } } {
  const it = scene({ ...TERMS, quietMs });
  it.ask('drain');
  it.reach('settling');
  it.time.advance(100);
  it.site.balancer('lb2').setMode('silent');
  return { ...it, user: busy(it) };
}

describe('A balancer that falls silent while zero has to hold', () => {
  test.each([500, 1_000, 1_900])('is waited for: %d ms are over before its look fails', (quietMs) => {
    const it = silentAfterZero(quietMs);
    it.time.advance(quietMs);
    expect([it.sidecar.state.phase, adminsWritten(it)]).toEqual(['settling', ['drain']]);
    it.site.balancer('lb2').setMode('answers');
    it.until('its user is seen', () => it.sidecar.state.phase === 'draining');
    it.time.advance(10_000);
    expect(adminsWritten(it)).toEqual(['drain']);
    it.user.leave();
    expect(it.ended('drain1')).toMatchObject({ ok: true, phase: 'drained' });
  });

  test('is unknown once its look has failed, and zero begins anew when it answers', () => {
    const it = silentAfterZero(1_000);
    it.time.advance(2_500);
    expect([it.sidecar.state.phase, adminsWritten(it)]).toEqual(['draining', ['drain']]);
    it.user.leave();
    it.site.balancer('lb2').setMode('answers');
    const from = it.time.now;
    it.reach('fencing');
    expect(it.time.now - from).toBeGreaterThan(1_000);
  });
});

test('Where all balancers answer at once the fence follows `drain.quiet` at once', () => {
  const it = scene({ ...TERMS, quietMs: 1_000 });
  it.ask('drain');
  it.reach('settling');
  const from = it.time.now;
  it.until('the fence', () => it.sidecar.state.phase === 'fencing');
  expect(it.time.now - from).toBeLessThan(1_050);
});
