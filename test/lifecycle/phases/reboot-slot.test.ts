import { describe, expect, test } from '@jest/globals';
import { claimOf } from '../../support/claim.ts';
import { POOL } from '../../support/world/pool-scene.ts';
import { MINUTE, asked, powerCycle, untilAsked } from '../../support/world/reboot-scene.ts';
import { type Scene, scene } from '../../support/world/scene.ts';

/** A reboot of a node of a pool (INVARIANTS.md#i5). */

describe('The slot of a node that is rebooted', () => {
  const holders = (it: Scene) => it.lock.view(0).holders.map(({ claim, state }) => [claim.operation, state]);

  test('is held from before its DRAIN, over the boot, until it serves again', () => {
    const it = scene({ pool: POOL });
    const id = it.ask('reboot');
    untilAsked(it);
    expect(holders(it)).toEqual([['reboot', 'out']]);
    powerCycle(it);
    it.reach('warming');
    expect(holders(it)).toEqual([['reboot', 'out']]);
    expect(it.ended(id)).toMatchObject({ code: 'done', phase: 'serving' });
    it.until('it is given back', () => holders(it).length === 0);
  });

  test.each([
    ['is refused', (it: Scene) => void (it.site.app.reboot = 'refused')],
    ['never comes', () => undefined],
  ] as const)('is kept, and marked as failed, by a reboot that %s', (_how, before) => {
    const it = scene({ pool: POOL });
    before(it);
    expect(it.ended(it.ask('reboot'))).toMatchObject({ code: 'failed' });
    it.until('it is marked', () => holders(it)[0]?.[1] === 'failed');
    expect(it.ended(it.ask('ready'))).toMatchObject({ code: 'done' });
    it.until('it is given back', () => holders(it).length === 0);
  });

  test.each(['a power cut', 'an application that fails after the boot'])(
    'is kept, and marked as failed, by %s',
    (what) => {
      const it = scene({ pool: POOL });
      if (what === 'a power cut') it.site.visit();
      const id = it.ask('reboot');
      if (what === 'a power cut') it.reach('draining');
      else untilAsked(it);
      it.time.advance(500);
      if (what !== 'a power cut') it.site.app.start = 'fails';
      powerCycle(it, what === 'a power cut');
      expect(it.ended(id)).toMatchObject({ ok: false, phase: 'failed' });
      it.until('it is marked', () => holders(it)[0]?.[1] === 'failed');
    },
  );

  test('is waited for with --wait-for-slot', () => {
    const it = scene({ pool: POOL });
    const claim = claimOf('app', 'app2', { by: 'bob', reason: null });
    it.lock.ask({ does: 'take', claim }, it.time.now);
    expect(it.ended(it.ask('reboot'))).toMatchObject({ code: 'locked', phase: 'serving' });
    const id = it.ask('reboot', { waitForSlotMs: MINUTE });
    it.time.advance(5_000);
    expect(it.result(id)).toBeUndefined();
    it.lock.ask({ does: 'give', claim }, it.time.now);
    untilAsked(it);
    expect(asked(it)).toEqual([id]);
  });
});

describe('A reboot that waits for its slot', () => {
  const waiters = (it: Scene) => it.lock.view(0).waiters.map(({ claim }) => claim.node);
  const neighbour = claimOf('app', 'app2', { by: 'bob', reason: null });

  /** Accepted, on disk and in the queue, while a neighbour has the slot. */
  function waiting(): Scene & { id: string } {
    const it = scene({ pool: POOL });
    it.lock.ask({ does: 'take', claim: neighbour }, it.time.now);
    const id = it.ask('reboot', { waitForSlotMs: 60 * MINUTE });
    it.until('it waits', () => waiters(it).includes('app1'));
    it.time.advance(5_000);
    return { ...it, id };
  }

  test('ends with a boot of the machine, and its place is given back', () => {
    const it = waiting();
    powerCycle(it, true);
    expect(it.ended(it.id)).toMatchObject({
      code: 'failed',
      message: expect.stringContaining('(a power cut, or by another hand) before its reboot was asked for'),
    });
    it.until('its place is given back', () => waiters(it).length === 0);
    it.lock.ask({ does: 'give', claim: neighbour }, it.time.now);
    it.time.advance(10 * MINUTE);
    expect([asked(it), it.admin(), it.sidecar.state.phase]).toEqual([[], 'ready', 'serving']);
    expect(it.sidecar.state.slot).toBeNull();
  });

  test('goes on after a crash of the sidecar alone', () => {
    const it = waiting();
    it.crash();
    it.time.advance(5_000);
    it.lock.ask({ does: 'give', claim: neighbour }, it.time.now);
    untilAsked(it);
    expect(asked(it)).toEqual([it.id]);
  });

  test('leaves the place to a restart that waits beside it, which goes on after the boot', () => {
    const it = waiting();
    const restart = it.ask('restart', { waitForSlotMs: 60 * MINUTE });
    it.until('it waits, too', () => it.sidecar.state.waiting.length === 2);
    it.time.advance(5_000);
    powerCycle(it, true);
    expect(it.ended(it.id).code).toBe('failed');
    it.time.advance(MINUTE);
    expect(waiters(it)).toEqual(['app1']);
    it.lock.ask({ does: 'give', claim: neighbour }, it.time.now);
    expect(it.ended(restart)).toMatchObject({ code: 'done', phase: 'serving' });
    expect(asked(it)).toEqual([]);
  });
});
