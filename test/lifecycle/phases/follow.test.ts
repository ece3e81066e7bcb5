import { describe, expect, test } from '@jest/globals';
import type { Admin } from '../../../agent/lifecycle/model/observation.ts';
import type { Policy } from '../../../agent/lifecycle/model/policy.ts';
import { POLICY, type Scene, scene } from '../../support/world/scene.ts';

const MINUTE = 60_000;
const UNFENCED = "was drained behind a DRAIN that is not lastcall's and is not fenced";
const TWO: Policy['balancers'] = ['lb1', 'lb2'].map((name) => ({
  name,
  servers: ['app/app1'],
  counts: true,
  seesOldWorkers: true,
}));

/** A node whose first balancer has it in DRAIN by an operator; a user with a session is bound to it. */
function drained(changes: Partial<Policy> = {}, isUsed = true): Scene {
  const it = scene({ foreignDrain: 'follow', ...changes }, ({ balancers, users }) => {
    const [lb] = balancers;
    if (!lb) return;
    lb.set('app/app1', 'drain', 'operator');
    if (isUsed) users.push({ balancer: lb, server: lb.server('app/app1') });
  });
  return it;
}

/** The states written to the servers of one balancer. */
function saidAt({ effects }: Scene, balancer: string): Admin[] {
  return effects.flatMap((effect) =>
    effect.type === 'set-server' && effect.balancer === balancer ? [effect.admin] : [],
  );
}

function untouched(it: Scene): void {
  expect(saidAt(it, 'lb1')).toEqual([]);
  expect(it.lb.server('app/app1')).toMatchObject({ admin: 'drain', by: 'operator' });
}

describe('A DRAIN from outside that is followed', () => {
  test('is left as it is: a stop waits for its users, stops, and the result says that it is not fenced', () => {
    const it = drained();
    const id = it.ask('stop');
    it.time.advance(MINUTE);
    expect(it.sidecar.state.phase).toBe('draining');
    it.site.leave();
    const result = it.ended(id);
    expect(result).toMatchObject({ code: 'done', phase: 'stopped', forced: 0 });
    expect(result.warnings.join()).toContain(
      'lb1: app/app1 is already in DRAIN and not by lastcall; followed',
    );
    expect(result.warnings.join()).toContain(`lb1: app/app1 ${UNFENCED}`);
    expect(it.site.app.alive).toBe(false);
    untouched(it);
  });

  test('lets zero hold for quiet, where only requests tell of users', () => {
    const it = drained({ sources: [], sticky: false, quietMs: 5_000 });
    const id = it.ask('stop');
    it.time.advance(3_000);
    it.site.click();
    const { now } = it.time;
    it.ended(id);
    expect(it.time.now - now).toBeGreaterThanOrEqual(5_000);
    untouched(it);
  });

  test('does not keep others from their fence', () => {
    const it = drained({ balancers: TWO }, false);
    expect(it.ended(it.ask('drain'))).toMatchObject({ code: 'done', phase: 'drained' });
    expect(saidAt(it, 'lb2')).toEqual(['drain', 'maint']);
    untouched(it);
    const again = it.ended(it.ask('drain'));
    expect(again).toMatchObject({ code: 'done', seconds: 0 });
    expect(again.warnings.join()).toContain(UNFENCED);
  });

  test('stays as it was found when the deadline gives the rest back', () => {
    const it = drained({ balancers: TWO });
    const result = it.ended(it.ask('stop', { timeoutMs: MINUTE }));
    expect(result).toMatchObject({ code: 'deadline', phase: 'serving' });
    expect(saidAt(it, 'lb2')).toEqual(['drain', 'ready']);
    untouched(it);
  });

  test('is not closed on by force, which waits for nothing there', () => {
    const it = drained();
    it.site.click();
    const id = it.ask('stop', { timeoutMs: 200, onTimeout: 'force' });
    it.lb.server('app/app1').serving += 1;
    const { now } = it.time;
    const result = it.ended(id);
    expect(result).toMatchObject({ code: 'done', phase: 'stopped', forced: 1 });
    expect(result.warnings.join()).toContain('connections of app/app1 could not be closed');
    expect(it.effects.some(({ type }) => type === 'close-connections')).toBe(false);
    expect(it.time.now - now).toBeLessThan(5_000);
    untouched(it);
  });

  test('is taken over by --force --reason', () => {
    const it = drained({}, false);
    expect(it.ended(it.ask('drain', { force: true, reason: 'ours' }))).toMatchObject({ code: 'done' });
    expect(it.lb.server('app/app1')).toMatchObject({ admin: 'maint', by: 'us' });
  });

  test.each([
    ['draining', 1],
    ['drained', 0],
  ] as const)('is ours like the others once its owner lifts it, %s', (phase, users) => {
    const it = drained({}, users > 0);
    const id = it.ask('drain');
    it.reach(phase);
    it.time.advance(500);
    it.lb.set('app/app1', 'ready', 'operator');
    it.until('DRAIN by us', () => it.admin() === 'drain');
    expect(it.lb.server('app/app1')).toMatchObject({ by: 'us' });
    it.site.leave();
    it.until('the fence', () => it.admin() === 'maint' && it.sidecar.state.phase === 'drained');
    expect(it.ended(id)).toMatchObject({ code: 'done' });
    expect(it.ended(it.ask('ready'))).toMatchObject({ code: 'done', phase: 'serving', warnings: [] });
    expect(it.admin()).toBe('ready');
  });

  test('that comes over our fence is followed, and a stop waits for zero once more', () => {
    const it = scene({ foreignDrain: 'follow' });
    it.ended(it.ask('drain'));
    it.lb.set('app/app1', 'drain', 'operator');
    it.time.advance(MINUTE);
    expect(it.sidecar.state.phase).toBe('drained');
    const id = it.ask('stop');
    it.reach('settling');
    expect(it.ended(id).warnings.join()).toContain(UNFENCED);
    expect(it.lb.server('app/app1')).toMatchObject({ admin: 'drain', by: 'operator' });
  });

  test('outlives a crash at the stop: zero comes once more, and nothing is written there', () => {
    const it = drained({}, false);
    const id = it.ask('stop');
    it.reach('stopping');
    it.crash();
    expect(it.ended(id)).toMatchObject({ code: 'done', phase: 'stopped' });
    untouched(it);
  });

  test('is a weight of 0, too', () => {
    const it = drained({}, false);
    Object.assign(it.lb.server('app/app1'), { weight: 0, weightless: true });
    const result = it.ended(it.ask('stop'));
    expect(result).toMatchObject({ code: 'done', phase: 'stopped' });
    expect(result.warnings.join()).toContain("has weight 0, which is an operator's drain; followed");
    expect(saidAt(it, 'lb1')).toEqual([]);
    expect(it.ended(it.ask('ready'))).toMatchObject({ code: 'done', phase: 'serving' });
  });

  test('is no permission to stop while no source counts the sticky users', () => {
    const it = drained({ sources: [], sticky: true });
    expect(it.ended(it.ask('stop'))).toMatchObject({ code: 'uncounted', phase: 'serving' });
  });
});

describe('`ready` of a node that is followed', () => {
  test('starts the application, waits until it is healthy, and leaves the server to its owner', () => {
    const it = drained({}, false);
    it.ended(it.ask('stop'));
    const result = it.ended(it.ask('ready'));
    expect(result).toMatchObject({ code: 'done', phase: 'serving' });
    expect(result.warnings.join()).toContain('it takes new users once its owner ends that');
    expect(it.site.app.alive).toBe(true);
    untouched(it);
    it.lb.set('app/app1', 'ready', 'operator');
    it.time.advance(MINUTE);
    expect(saidAt(it, 'lb1')).toEqual([]);
  });

  test('puts the others into rotation', () => {
    const it = drained({ balancers: TWO }, false);
    it.ended(it.ask('stop'));
    expect(it.ended(it.ask('ready'))).toMatchObject({ code: 'done', phase: 'serving' });
    expect(it.site.balancer('lb2').server('app/app1').admin).toBe('ready');
    untouched(it);
  });

  test('is done at once, with a warning, where it serves already', () => {
    const it = drained({}, false);
    const result = it.ended(it.ask('ready'));
    expect(result).toMatchObject({ code: 'done', phase: 'serving' });
    expect(result.warnings.join()).toContain('lb1: app/app1 (DRAIN) is held and not by lastcall');
    expect(it.effects.some(({ type }) => type === 'start' || type === 'reset-probe')).toBe(false);
  });

  test('fails as ever where the application does not become healthy', () => {
    const it = drained({}, false);
    it.ended(it.ask('stop'));
    it.site.app.start = 'unhealthy';
    expect(it.ended(it.ask('ready', { timeoutMs: MINUTE }))).toMatchObject({ ok: false, code: 'app-health' });
  });

  test('is held where every server is in MAINT by others: that is not followed', () => {
    const it = scene({ foreignDrain: 'follow' }, ({ balancers }) =>
      balancers[0]?.set('app/app1', 'maint', 'operator'),
    );
    expect(it.ended(it.ask('ready'))).toMatchObject({ ok: false, code: 'held' });
  });
});

test('Where it is not followed, the default, nothing is drained behind it', () => {
  expect(POLICY.foreignDrain).toBe('refuse');
  const it = drained({ foreignDrain: 'refuse' });
  expect(it.ended(it.ask('stop'))).toMatchObject({ ok: false, code: 'held', phase: 'serving' });
});
