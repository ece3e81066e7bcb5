import { describe, expect, test } from '@jest/globals';
import type { Policy } from '../../../agent/lifecycle/model/policy.ts';
import { at, between, BACKENDS, lb, ONE, TWO } from '../../support/world/configured-places.ts';
import { POOL } from '../../support/world/pool-scene.ts';
import type { Scene } from '../../support/world/scene.ts';

/** The servers that a node's claim names, by which others judge whether its slot may be freed (INVARIANTS.md#i5). */

type Balancers = Policy['balancers'];

/** As pool-policy.ts makes it of a configuration. */
function poolOf(balancers: Balancers): NonNullable<Policy['pool']> {
  return {
    ...POOL,
    servers: Object.fromEntries(balancers.map(({ name, servers }) => [`here ${name}`, servers])),
    balancers: Object.fromEntries(balancers.map(({ name }) => [`here ${name}`, name])),
  };
}

/** Drained by the first configuration; started again with the second. */
function restarted(
  before: Balancers,
  after: Balancers,
  meanwhile?: (it: Scene) => void,
  terms: Partial<Policy> = {},
): Scene {
  const it = between(before, after, { ...terms, pool: poolOf(before) });
  it.ended(it.ask('drain'));
  it.lock.setAlive('app1', false);
  it.crash({ balancers: after, pool: poolOf(after) }, () => meanwhile?.(it));
  it.time.advance(2_000);
  return it;
}

const claimed = (it: Scene): unknown => it.lock.view(0).holders.map(({ claim }) => claim.servers)[0];

describe('A node that starts again while it is out', () => {
  test.each<[string, Balancers, Balancers, object]>([
    ['gained a balancer', ONE, TWO, { 'here lb1': ['app/app1'], 'here lb2': ['app/app1'] }],
    ['gained a server', ONE, BACKENDS, { 'here lb1': ['app/app1', 'api/app1'] }],
    // What was taken out by the names of before may be out still.
    ['lost a server', BACKENDS, ONE, { 'here lb1': ['app/app1', 'api/app1'] }],
    ['lost a balancer', TWO, ONE, { 'here lb2': ['app/app1'], 'here lb1': ['app/app1'] }],
    ['renamed a backend', ONE, [lb('lb1', 'web/app1')], { 'here lb1': ['web/app1', 'app/app1'] }],
  ])('names in its slot what it has now, and what lastcall has still to put back: it has %s', (...of) => {
    const [, before, after, servers] = of;
    const it = restarted(before, after);
    expect(claimed(it)).toEqual(servers);
    // The same claim, and the next life has it too.
    const [holder] = it.lock.view(0).holders;
    it.crash();
    it.time.advance(2_000);
    expect(it.lock.view(0).holders).toMatchObject([
      { claim: { id: holder?.claim.id, servers }, alive: true },
    ]);
  });

  const withoutLock = ({ lock }: Scene): void => {
    lock.down = 'connection refused';
  };

  test('is drained at a gained balancer only once its slot names it there', () => {
    const it = restarted(ONE, TWO, withoutLock);
    it.time.advance(20_000);
    expect([at(it, 'lb1'), at(it, 'lb2'), claimed(it)]).toEqual([
      'drain',
      'ready',
      { 'here lb1': ['app/app1'] },
    ]);
    it.lock.down = null;
    it.reach('drained');
    expect([at(it, 'lb2'), claimed(it)]).toEqual([
      'maint',
      { 'here lb1': ['app/app1'], 'here lb2': ['app/app1'] },
    ]);
    // What the slot names is set again without the lock.
    withoutLock(it);
    it.crash();
    for (const balancer of it.site.balancers) balancer.reload(false);
    it.time.advance(2_000);
    expect([at(it, 'lb1'), at(it, 'lb2')]).toEqual(['drain', 'drain']);
  });

  test('knows after one more start what its slot does not name yet, and takes nothing there for its own', () => {
    const it = restarted(ONE, [lb('lb1', 'web/app1')], withoutLock);
    it.crash();
    it.time.advance(2_000);
    expect(at(it, 'lb1', 'web/app1')).toBe('ready');
    it.crash({}, () => it.lb.set('web/app1', 'drain', 'operator'));
    it.time.advance(2_000);
    it.lock.down = null;
    it.time.advance(20_000);
    expect(it.ended(it.ask('ready')).code).toBe('held');
    expect(at(it, 'lb1', 'web/app1')).toBe('drain');
  });

  test('has on disk what it then sets without the lock, for a caller who ends the application next', () => {
    const it = restarted(ONE, TWO, withoutLock);
    it.time.advance(5_000);
    it.ask('stop', { isShutdown: true, by: 'signal', onTimeout: 'force' });
    it.until('DRAIN at the gained balancer', () => at(it, 'lb2') === 'drain');
    const set = it.effects.findIndex((effect) => effect.type === 'set-server' && effect.balancer === 'lb2');
    const before = it.effects.slice(0, set).findLast(({ type }) => type === 'persist');
    expect(before).toMatchObject({
      record: { balancers: { lb2: { servers: { 'app/app1': { want: 'drain' } } } } },
    });
  });

  test('waits for no name in its slot where an operator holds it', () => {
    const it = between(ONE, TWO, { pool: poolOf(ONE) });
    expect(it.ended(it.ask('hold', { holdIn: 'maint' }))).toMatchObject({ ok: true });
    it.crash({ balancers: TWO, pool: poolOf(TWO) }, () => withoutLock(it));
    it.time.advance(2_000);
    expect([at(it, 'lb1'), at(it, 'lb2')]).toEqual(['maint', 'maint']);
  });

  test('gives the slot back when it has returned, and names in the next one what it has', () => {
    const it = restarted(BACKENDS, ONE);
    expect(it.ended(it.ask('ready'))).toMatchObject({ ok: true });
    it.until('it is given back', () => it.sidecar.state.slot === null);
    expect(it.ended(it.ask('drain'))).toMatchObject({ ok: true });
    expect(claimed(it)).toEqual({ 'here lb1': ['app/app1'] });
  });

  test('names in its soak what it has now: what was lost is put back, and HAProxy may have removed it', () => {
    const it = restarted(BACKENDS, ONE, undefined, { soakMs: 20_000 });
    expect(claimed(it)).toEqual({ 'here lb1': ['app/app1', 'api/app1'] });
    expect(it.ended(it.ask('ready'))).toMatchObject({ ok: true });
    it.until('its mark', () => it.lock.view(0).holders[0]?.state === 'soaking');
    expect([claimed(it), at(it, 'lb1', 'api/app1')]).toEqual([{ 'here lb1': ['app/app1'] }, 'ready']);
    it.crash();
    it.time.advance(2_000);
    expect(claimed(it)).toEqual({ 'here lb1': ['app/app1'] });
    it.until('it is given back', () => it.sidecar.state.slot === null);
  });
});
