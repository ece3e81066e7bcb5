import { describe, expect, test } from '@jest/globals';
import type { Claim } from '../../../agent/lifecycle/model/pool.ts';
import type { Policy } from '../../../agent/lifecycle/model/policy.ts';
import { statusOf } from '../../../agent/lifecycle/report/status.ts';
import { claimOf } from '../../support/claim.ts';
import { scene, type Scene } from '../../support/world/scene.ts';

/** The slot of a holder whose sidecar does not live (INVARIANTS.md#i5). */

const POOL: NonNullable<Policy['pool']> = {
  name: 'app',
  lock: ['file /run/lock/app'],
  slots: 1,
  brake: 1,
  servers: { 'here lb1': ['app/app1'] },
  balancers: { 'here lb1': 'lb1' },
  seed: '0123456789',
};
const SERVERS = { 'here lb1': ['app/app2'] };
const UP = { admin: 'ready', operational: 'up' } as const;
const DOWN = { admin: 'ready', operational: 'down' } as const;

const holders = (it: Scene): string[] => it.lock.view(0).holders.map(({ claim }) => claim.node);
const reads = (it: Scene): number => it.effects.filter(({ type }) => type === 'read-holder').length;
const freed = (it: Scene): unknown[] => it.effects.filter(({ type }) => type === 'slot-freed');
const waits = (it: Scene): string =>
  statusOf(
    it.policy,
    it.sidecar.state,
    { eta: null, etaReason: null, curve: [] },
    it.time.now,
    String,
  ).waits.join('\n');

interface Waiting {
  readonly it: Scene;
  readonly id: string;
  readonly claim: Claim;
}

/** app2 holds the slot and its sidecar has ended; app1 waits for it. */
function waiting(changes: Partial<Claim> = {}, policy: Partial<Policy> = {}): Waiting {
  const it = scene({ pool: POOL, ...policy });
  const claim = claimOf('app', 'app2', { by: 'cli bob', servers: SERVERS, ...changes });
  it.lock.ask({ does: 'take', claim }, it.time.now);
  it.lock.setAlive('app2', false);
  const id = it.ask('drain', { waitForSlotMs: 120_000 });
  return { it, id, claim };
}

describe('The first one in the queue', () => {
  test('frees it also where the slot that it had itself was freed: no node behind it in the queue would', () => {
    const it = scene({ pool: POOL });
    expect(it.ended(it.ask('drain')).code).toBe('done');
    it.lock.free('app1');
    it.lock.ask({ does: 'take', claim: claimOf('app', 'app2', { servers: SERVERS }) }, it.time.now);
    it.until('it is in the queue', () => it.lock.view(0).waiters.length > 0);
    expect(it.sidecar.state.slot?.is).toBe('lost');
    it.lock.setAlive('app2', false);
    it.until('its slot', () => holders(it).includes('app1'));
    expect(freed(it)).toMatchObject([{ node: 'app2' }]);
  });

  test('frees the slot of a holder whose sidecar does not live once its servers have been READY and UP for five seconds', () => {
    const { it, id } = waiting();
    const began = it.time.now;
    it.until('it is freed', () => freed(it).length > 0);
    expect(it.time.now - began).toBeGreaterThan(5_000);
    expect(it.time.now - began).toBeLessThan(8_000);
    expect(freed(it)).toEqual([
      {
        type: 'slot-freed',
        node: 'app2',
        reason: expect.stringMatching(
          /^its sidecar does not live, and its servers have been READY and UP for 5 s; it held it since .* for restart by cli bob$/,
        ),
      },
    ]);
    expect(it.ended(id).code).toBe('done');
    expect(holders(it)).toEqual(['app1']);
    // One question in a second at most.
    expect(reads(it)).toBeLessThan(9);
  });

  test.each(['maint', 'drain'] as const)(
    'never frees it while a server of it is in %s, and says so',
    (admin) => {
      const { it, id } = waiting({ servers: { 'here lb1': ['app/app2', 'api/app2'] } });
      it.lock.shows = { 'api/app2': { ...UP, admin } };
      it.time.advance(60_000);
      expect([holders(it), freed(it)]).toEqual([['app2'], []]);
      expect(waits(it)).toMatch(
        new RegExp(
          `app2 holds a slot since \\S+ \\(restart by cli bob\\), and its sidecar does not live; its slot stays while api/app2 is in ${admin.toUpperCase()} at lb1; if app2 no longer exists, \`lastcall unlock app2 --reason TEXT\``,
        ),
      );
      expect(it.ended(id)).toMatchObject({
        code: 'locked',
        message: expect.stringContaining(`while api/app2 is in ${admin.toUpperCase()} at lb1`),
      });
    },
  );

  test.each([
    [DOWN, 'down'],
    [{ ...UP, operational: 'starting' }, 'starting'],
    [{ ...UP, assumedUp: true }, 'not checked yet'],
  ] as const)(
    'never frees it while a server is READY and not UP by a check, as after a reload without state: %j',
    (shown, words) => {
      const { it } = waiting();
      it.lock.shows = { 'app/app2': shown };
      it.time.advance(60_000);
      expect([holders(it), freed(it)]).toEqual([['app2'], []]);
      expect(waits(it)).toContain(`its slot stays while app/app2 is in READY and ${words} at lb1`);
      it.lock.shows = { 'app/app2': { ...UP, assumedUp: true, check: 'L7OK' } };
      it.until('it is freed', () => freed(it).length > 0);
    },
  );

  test('never frees it once HAProxy does not have a server of it any more, and says that instead of MAINT', () => {
    const { it, id } = waiting();
    it.lock.shows = { 'app/app2': { admin: 'maint', operational: 'down', absent: 'No such server.' } };
    it.time.advance(60_000);
    expect([holders(it), freed(it)]).toEqual([['app2'], []]);
    expect(waits(it)).toMatch(
      /its slot stays, since lb1 does not have its app\/app2 any more; if app2 no longer exists, `lastcall unlock app2 --reason TEXT`, else start its sidecar$/,
    );
    expect(it.ended(id).message).toContain('lb1 does not have its app/app2 any more');
  });

  test('begins to count anew once a server was out, or could not be read', () => {
    const { it } = waiting();
    it.time.advance(4_000);
    it.lock.shows = { 'app/app2': { ...UP, admin: 'maint' } };
    it.time.advance(2_000);
    it.lock.shows = {};
    it.time.advance(4_000);
    it.lock.shows = null;
    it.time.advance(2_000);
    expect(waits(it)).toMatch(/its servers cannot be read: Error: permission denied/);
    it.lock.shows = {};
    it.time.advance(4_000);
    expect(freed(it)).toEqual([]);
    it.until('it is freed', () => freed(it).length > 0);
  });

  test.each([
    [{}, /it names no balancer at which its servers could be read, so its slot stays/],
    [
      { 'here lb1': ['app/app2'], 'there lb9': ['app/app2'] },
      /not all of its balancers show them to this node \(here lb1, there lb9\)/,
    ],
    [
      { 'here lb1': ['app/app2'], 'one that only polls health': [] },
      /not all of its balancers show them to this node \(here lb1, one that only polls health\)/,
    ],
  ])('never frees it where not all of its balancers are its own: %j', (servers, why) => {
    const { it } = waiting({ servers });
    it.time.advance(60_000);
    expect([holders(it), reads(it)]).toEqual([['app2'], 0]);
    expect(waits(it)).toMatch(why);
  });

  test('leaves a holder alone that lives, that lives again, or that did not come back', () => {
    const living = waiting();
    living.it.time.advance(3_000);
    living.it.lock.setAlive('app2', true);
    const asked = reads(living.it);
    living.it.time.advance(30_000);
    expect([holders(living.it), reads(living.it) - asked < 2]).toEqual([['app2'], true]);
    const failed = scene({ pool: { ...POOL, brake: 2 } });
    const claim = claimOf('app', 'app2', { servers: SERVERS, brake: 2 });
    failed.lock.ask({ does: 'take', claim }, failed.time.now);
    failed.lock.ask({ does: 'mark', claim, state: 'failed', failure: 'app-health' }, failed.time.now);
    failed.lock.setAlive('app2', false);
    failed.ask('drain', { waitForSlotMs: 120_000 });
    failed.time.advance(30_000);
    expect([holders(failed), reads(failed)]).toEqual([['app2'], 0]);
  });

  test('frees nothing while the lock does not answer, or where the holder is another one by then', () => {
    const { it, claim } = waiting();
    it.time.advance(4_000);
    it.lock.down = 'connection refused';
    it.time.advance(30_000);
    expect(freed(it)).toEqual([]);
    it.lock.down = null;
    it.time.advance(3_000);
    // It goes on in the last moment: its entry is no more the one that was read.
    it.lock.setAlive('app2', true);
    it.lock.ask({ does: 'mark', claim, state: 'out', failure: 'x' }, it.time.now);
    it.lock.setAlive('app2', false);
    it.time.advance(3_500);
    expect(freed(it)).toEqual([]);
    it.until('it is freed', () => freed(it).length > 0);
  });

  test('frees one that soaks only after its own soak in READY and UP', () => {
    const { it, claim } = waiting({}, { soakMs: 20_000 });
    it.lock.shows = { 'app/app2': DOWN };
    it.lock.setAlive('app2', true);
    it.lock.ask({ does: 'mark', claim, state: 'soaking', failure: null }, it.time.now);
    it.lock.setAlive('app2', false);
    it.time.advance(30_000);
    expect([freed(it), waits(it)]).toEqual([
      [],
      expect.stringContaining('its slot stays while app/app2 is in READY and down at lb1'),
    ]);
    it.lock.shows = {};
    it.time.advance(19_000);
    expect(freed(it)).toEqual([]);
    it.until('it is freed', () => freed(it).length > 0);
  });
});

test('one that is not the first in the queue asks no balancer for it', () => {
  const it = scene({ pool: POOL });
  const claim = claimOf('app', 'app2', { servers: SERVERS });
  it.lock.ask({ does: 'take', claim }, it.time.now);
  it.lock.ask({ does: 'take', claim: claimOf('app', 'app3') }, it.time.now);
  it.lock.setAlive('app2', false);
  it.ask('drain', { waitForSlotMs: 60_000 });
  it.time.advance(30_000);
  expect([reads(it), holders(it)]).toEqual([0, ['app2']]);
});
