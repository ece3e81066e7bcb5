import { describe, expect, test } from '@jest/globals';
import type { Policy } from '../../../agent/lifecycle/model/policy.ts';
import { claimOf } from '../../support/claim.ts';
import type { SimSite } from '../../support/world/site.ts';
import { scene, type Scene } from '../../support/world/scene.ts';

/** `return.soak`, sentence by sentence: the slot of a node that has come back, and what becomes of it. */

const SOAK_MS = 60_000;
const POOL: NonNullable<Policy['pool']> = {
  name: 'app',
  lock: ['file /run/lock/app'],
  slots: 1,
  brake: 1,
  servers: { lb1: ['app/app1'] },
  balancers: { lb1: 'lb1' },
  seed: '0123456789',
};

const TWO = [{ name: 'lb1', servers: ['app/app1', 'app/app2'], counts: true, seesOldWorkers: true }];
const inPool = (changes: Partial<Policy> = {}, before?: (site: SimSite) => void): Scene =>
  scene({ pool: POOL, soakMs: SOAK_MS, ...changes }, before);
const holder = (it: Scene): string | undefined => {
  const [one] = it.lock.view(0).holders;
  return one && `${one.claim.node} ${one.state}`;
};
const isFree = (it: Scene): boolean => it.lock.view(0).holders.length === 0;

/** It was stopped and has come back. */
function back(changes: Partial<Policy> = {}, before?: (site: SimSite) => void): Scene {
  const it = inPool(changes, before);
  expect(it.ended(it.ask('restart'))).toMatchObject({ ok: true, phase: 'serving' });
  it.until('it soaks', () => holder(it) === 'app1 soaking');
  return it;
}

describe('A node that has come back', () => {
  test('keeps its slot until it has been UP and healthy for so long', () => {
    const it = back();
    it.time.advance(SOAK_MS - 1_000);
    expect([holder(it), it.sidecar.state.phase]).toEqual(['app1 soaking', 'serving']);
    it.time.advance(3_000);
    expect([isFree(it), it.sidecar.state.slot]).toEqual([true, null]);
  });

  test('takes another slot for the next operation where its own was freed from outside meanwhile', () => {
    const it = back();
    it.lock.free('app1');
    const before = it.time.now;
    expect(it.ended(it.ask('drain'))).toMatchObject({ code: 'done', warnings: [] });
    expect([holder(it), it.time.now - before < 3_000]).toEqual(['app1 out', true]);
  });

  test('gives it back at once without a soak', () => {
    const it = inPool({ soakMs: 0 });
    it.ended(it.ask('restart'));
    it.until('its slot is free', () => isFree(it));
  });

  test('keeps its slot as long where the lock gave it one in the last moment of a way back without one', () => {
    const it = inPool();
    const other = claimOf('app', 'app2');
    it.lock.ask({ does: 'take', claim: other }, it.time.now);
    it.ended(it.ask('stop', { noRefuse: true }));
    it.lock.ask({ does: 'give', claim: other }, it.time.now);
    it.lock.answerMs = 1_900;
    it.until('it asks for a slot', () => it.sidecar.state.slot?.asked === 'take');
    expect(it.ended(it.ask('restart')).code).toBe('done');
    it.time.advance(SOAK_MS - 2_000);
    expect(holder(it)).toBe('app1 soaking');
  });

  test('that never left its users has no soak: a drain that was given up', () => {
    const it = inPool();
    it.site.visit();
    const id = it.ask('drain');
    it.reach('draining');
    it.cancel();
    expect(it.ended(id)).toMatchObject({ code: 'cancelled', phase: 'serving' });
    it.until('its slot is free', () => isFree(it));
  });

  test('goes on with its soak after a crash', () => {
    const it = back();
    it.time.advance(SOAK_MS / 2);
    it.crash();
    it.time.advance(5_000);
    expect(holder(it)).toBe('app1 soaking');
    it.time.advance(SOAK_MS);
    expect(isFree(it)).toBe(true);
  });

  test('counts nothing while a balancer does not show it, or while another hand keeps it out', () => {
    const it = back();
    it.lb.set('app/app1', 'maint', 'operator');
    it.time.advance(2 * SOAK_MS);
    expect(holder(it)).toBe('app1 soaking');
    it.lb.set('app/app1', 'ready', 'operator');
    it.time.advance(SOAK_MS - 5_000);
    expect(holder(it)).toBe('app1 soaking');
    it.time.advance(10_000);
    expect(isFree(it)).toBe(true);
  });

  test('waits for no server that an operator holds, as long as it has another one', () => {
    const it = back({ balancers: TWO }, (site) => site.balancers[0]?.set('app/app2', 'maint', 'operator'));
    it.time.advance(SOAK_MS + 3_000);
    expect([it.admin('app/app2'), isFree(it)]).toEqual(['maint', true]);
  });

  test('counts on after a look that failed, and anew after several', () => {
    const it = back();
    it.time.advance(SOAK_MS / 2);
    it.lb.setMode('refuses');
    it.until('a look has failed', () => it.sidecar.state.balancers['lb1']?.error !== null);
    it.lb.setMode('answers');
    it.time.advance(SOAK_MS / 2 - 4_000);
    expect(isFree(it)).toBe(false);
    it.time.advance(10_000);
    expect(isFree(it)).toBe(true);
    const other = back();
    other.time.advance(SOAK_MS - 3_000);
    other.lb.setMode('refuses');
    other.time.advance(20_000);
    other.lb.setMode('answers');
    other.time.advance(SOAK_MS - 3_000);
    expect(holder(other)).toBe('app1 soaking');
    other.time.advance(10_000);
    expect(isFree(other)).toBe(true);
  });

  test.each<[string, (it: Scene) => void, (it: Scene) => void, RegExp]>([
    [
      'is held by an operator',
      (it) => it.lb.set('app/app1', 'maint', 'operator'),
      (it) => it.lb.set('app/app1', 'ready', 'operator'),
      /keeps its slot: lb1: app\/app1 is in MAINT/,
    ],
    [
      'cannot be asked about',
      (it) => it.lb.setMode('refuses'),
      (it) => it.lb.setMode('answers'),
      /keeps its slot: lb1: it cannot be asked about app\/app1/,
    ],
  ])('has an alarm with the server that %s for longer than soak and return', (_name, begin, end, text) => {
    const it = back({ returnMs: 120_000 });
    begin(it);
    it.time.advance(SOAK_MS + 110_000);
    expect(it.sidecar.state.alarms['soak']).toBeUndefined();
    it.time.advance(20_000);
    expect(it.sidecar.state.alarms['soak']).toMatch(text);
    end(it);
    it.time.advance(SOAK_MS + 20_000);
    expect([isFree(it), it.sidecar.state.alarms['soak']]).toEqual([true, undefined]);
  });

  test('is out again with the next drain, in the same slot', () => {
    const it = back();
    expect(it.ended(it.ask('drain'))).toMatchObject({ ok: true });
    it.until('it is out', () => holder(it) === 'app1 out');
    it.time.advance(2 * SOAK_MS);
    expect(holder(it)).toBe('app1 out');
  });
});

describe('One that fails in its soak', () => {
  test.each<[string, (it: Scene) => void, RegExp]>([
    ['DOWN at HAProxy', (it) => Object.assign(it.lb.server('app/app1'), { up: false }), /app\/app1 is DOWN/],
    ['not healthy by its probe', (it) => it.sidecar.probed('down'), /not healthy by its probe/],
  ])('%s, keeps its slot and says why, and no other node begins', (_name, breaks, why) => {
    const it = back();
    it.time.advance(5_000);
    breaks(it);
    it.until('it has failed', () => holder(it) === 'app1 failed');
    const [failed] = it.lock.view(0).holders;
    expect(failed?.failure).toMatch(why);
    expect(it.sidecar.state.alarms['soak']).toMatch(/lastcall ready/);
    it.lock.ask({ does: 'take', claim: claimOf('app', 'app2', {}) }, it.time.now);
    it.time.advance(2 * SOAK_MS);
    expect([holder(it), it.lock.view(0).waiters.length]).toEqual(['app1 failed', 1]);
  });

  test('soaks anew once `ready` is asked there, and not before', () => {
    const it = back();
    Object.assign(it.lb.server('app/app1'), { up: false });
    it.until('it has failed', () => holder(it) === 'app1 failed');
    Object.assign(it.lb.server('app/app1'), { up: true });
    it.time.advance(2 * SOAK_MS);
    expect(holder(it)).toBe('app1 failed');
    it.crash();
    it.time.advance(5_000);
    expect([holder(it), Object.keys(it.sidecar.state.alarms)]).toEqual(['app1 failed', ['soak']]);
    expect(it.ended(it.ask('ready'))).toMatchObject({ ok: true });
    it.until('it soaks', () => holder(it) === 'app1 soaking');
    expect(it.sidecar.state.alarms).toEqual({});
    it.time.advance(SOAK_MS + 5_000);
    expect(isFree(it)).toBe(true);
  });
});

describe('A soak that is owed', () => {
  const giveUp = (it: Scene): void => {
    it.site.visit();
    const id = it.ask('drain');
    it.reach('draining');
    it.cancel();
    expect(it.ended(id)).toMatchObject({ code: 'cancelled', phase: 'serving' });
  };

  test('begins anew after a drain that was given up', () => {
    const it = back();
    it.time.advance(SOAK_MS - 5_000);
    giveUp(it);
    it.time.advance(SOAK_MS - 5_000);
    expect(holder(it)).toBe('app1 soaking');
    it.time.advance(10_000);
    expect(isFree(it)).toBe(true);
  });

  test('is not begun by a slot that another hand frees: the node stands in no queue for it', () => {
    const it = back();
    it.lock.free('app1');
    it.lock.ask({ does: 'take', claim: claimOf('app', 'app2', {}) }, it.time.now);
    it.time.advance(15_000);
    expect([holder(it), it.lock.view(0).waiters, it.sidecar.state.slot]).toEqual(['app2 out', [], null]);
  });

  test('is looked at before the next drain: it may have been freed and given to another', () => {
    const it = back();
    it.time.advance(1_000);
    it.lock.free('app1');
    it.lock.ask({ does: 'take', claim: claimOf('app', 'app2', {}) }, it.time.now);
    const before = it.effects.filter(({ type }) => type === 'set-server').length;
    expect(it.ended(it.ask('drain')).code).toBe('locked');
    expect(it.effects.filter(({ type }) => type === 'set-server').length).toBe(before);
  });

  test('is looked at, too, where a balancer has not shown its READY yet', () => {
    const [one] = TWO;
    const balancers = [
      { ...one, servers: ['app/app1'] },
      { ...one, name: 'lb2', servers: ['app/app1'] },
    ];
    const it = inPool({ unreachable: 'ignore', balancers } as Partial<Policy>);
    const id = it.ask('restart');
    it.reach('returning');
    it.site.balancer('lb2').setMode('refuses');
    it.ended(id);
    it.reach('serving');
    expect(it.sidecar.state.outing?.level).toBe('ready');
    it.lock.free('app1');
    it.lock.ask({ does: 'take', claim: claimOf('app', 'app2', {}) }, it.time.now);
    const drains = (): number =>
      it.effects.filter((effect) => effect.type === 'set-server' && effect.admin === 'drain').length;
    const before = drains();
    expect(it.ended(it.ask('drain')).code).toBe('locked');
    expect(drains()).toBe(before);
  });

  test('and whose slot was freed before it could be marked ends, and leaves no alarm', () => {
    const it = inPool();
    const id = it.ask('restart');
    it.reach('warming');
    it.lock.free('app1');
    expect(it.ended(id)).toMatchObject({ ok: true });
    it.time.advance(30_000);
    expect([isFree(it), it.sidecar.state.slot, it.sidecar.state.alarms]).toEqual([true, null, {}]);
  });
});
