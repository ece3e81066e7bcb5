import { describe, expect, test } from '@jest/globals';
import type { Look } from '../../../agent/lifecycle/model/observation.ts';
import type { BalancerState, ServerState } from '../../../agent/lifecycle/model/server-state.ts';
import { step } from '../../../agent/lifecycle/step.ts';
import { type Scene, scene } from '../../support/world/scene.ts';

const FULL = 100;

/** A stopped node whose way back has a ramp of ten seconds. */
function stopped(): Scene {
  const balancers = scene().policy.balancers.map((balancer) => ({ ...balancer, weighs: true }));
  const it = scene({ warmUpMs: 10_000, balancers }, ({ balancers: lbs }) => {
    for (const lb of lbs) for (const server of lb.servers) server.weight = FULL;
  });
  expect(it.ended(it.ask('stop')).code).toBe('done');
  return it;
}

function weightsSent({ effects }: Scene): number[] {
  return effects.flatMap((effect) => (effect.type === 'set-weight' ? [effect.weight] : []));
}

describe('The ramp of a way back', () => {
  test('begins behind the fence, takes every step, and ends with the weight that was there', () => {
    const it = stopped();
    const id = it.ask('ready');
    it.until('the weight is lowered', () => it.lb.servers.some(({ weight }) => weight < FULL));
    expect(it.admin()).toBe('maint');
    expect(it.ended(id)).toMatchObject({ code: 'done', warnings: [] });
    expect(weightsSent(it)).toEqual([9, 18, 27, 36, 45, 55, 64, 73, 82, 91, FULL]);
    expect(it.lb.servers.map(({ weight }) => weight)).toEqual(it.lb.servers.map(() => FULL));
  });

  test('is left out where three tries of half a minute each have set no weight, and the result warns', () => {
    const it = stopped();
    // As a driver by agent-check says it where HAProxy does not show in time what was answered to a poll.
    const error =
      'app/app1 at lb1: agent-check answered 20% to a poll from its address, but HAProxy does not show it';
    for (const server of it.lb.servers) server.weightFailure = { afterMs: 30_000, error };
    const id = it.ask('ready');
    it.until('the first try', () => weightsSent(it).length === 1);
    const began = it.time.now;
    it.time.advance(90_000);
    expect([it.admin(), weightsSent(it).length]).toEqual(['maint', 3]);
    it.until('READY', () => it.admin() === 'ready');
    expect(it.time.now - began).toBeLessThan(95_000);
    const result = it.ended(id);
    expect(result).toMatchObject({ ok: true, code: 'done', phase: 'serving' });
    expect(result.warnings).toEqual([`lb1: app/app1 gets its whole share of new users at once: ${error}`]);
    it.time.advance(60_000);
    expect(weightsSent(it)).toHaveLength(3);
    expect(it.lb.servers.map(({ weight }) => weight)).toEqual(it.lb.servers.map(() => FULL));
  });

  test('has no place where the disk fails: after a crash the lowered weight would pass for the whole one', () => {
    const it = stopped();
    const id = it.ask('ready');
    it.reach('warming');
    it.until('the way back is on disk', () => it.sidecar.state.saved === it.sidecar.state.save);
    it.disk.failing = true;
    const { code, warnings } = it.ended(id);
    expect(code).toBe('done');
    expect(weightsSent(it)).toEqual([]);
    expect(warnings.join()).toContain('gets its whole share of new users at once');
  });

  test('begins again where the server is out for a while, and lasts its whole time', () => {
    const it = stopped();
    it.ask('ready');
    it.until('the weight rises', () => weightsSent(it).length > 3);
    it.site.app.healthy = false;
    it.crash({}, () => {
      for (const lb of it.site.balancers) {
        lb.reload(false);
        for (const server of lb.servers) {
          lb.set(server.name, 'drain', 'operator');
          server.weight = FULL;
        }
      }
    });
    it.time.advance(5_000);
    it.site.revive(true);
    it.time.advance(5_000);
    it.sidecar.probed('up');
    it.until('READY', () => it.admin() === 'ready');
    const readyAt = it.time.now;
    it.until('the whole weight', () => it.lb.servers.every(({ weight }) => weight === FULL));
    expect(it.time.now - readyAt).toBeGreaterThan(9_000);
  });

  test.each([
    ['begins with the look that shows READY', false],
    ['does not begin while a DRAIN of before is on its way: it comes after that look', true],
  ] as const)('%s', (_what, isUnderWay) => {
    const it = stopped();
    it.ask('ready');
    it.until('the weight rises', () => weightsSent(it).length > 3);
    const { state } = it.sidecar;
    const lb = state.balancers['lb1'] as BalancerState;
    const own = lb.servers['app/app1'] as ServerState;
    const write = { ...own.write, underWay: isUnderWay ? state.epoch - 1 : null };
    const ramp = own.ramp && { ...own.ramp, since: null, write: { ...own.ramp.write, underWay: null } };
    const server = { ...own, inSync: false, ramp, write };
    const balancers = { lb1: { ...lb, servers: { 'app/app1': server } } };
    const at = it.time.now;
    const look = lb.look as Look;
    const polled = { type: 'polled', balancer: 'lb1', look, startedAt: at, at } as const;
    const [after] = step(it.policy, { ...state, balancers }, polled);
    expect(after.balancers['lb1']?.servers['app/app1']?.ramp?.since).toBe(isUnderWay ? null : at);
  });
});
