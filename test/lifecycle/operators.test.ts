import { describe, expect, test } from '@jest/globals';
import { scene } from '../support/world/scene.ts';

describe('An operator who comes between our write and its read-back', () => {
  test('is not forgotten when the operation is given up before the answer: a DRAIN over our MAINT stays the operator’s', () => {
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

  test('is seen by the second look, although that was begun before the answer: nothing is drained behind the operator’s DRAIN', () => {
    const it = scene();
    const id = it.ask('drain');
    it.until('the fence', () => typeof it.sidecar.state.outing?.fence?.confirmedAt === 'number');
    const { epoch } = it.sidecar.state;
    const [view] = it.lb.look().servers;
    it.lb.set('app/app1', 'drain', 'operator');
    const at = { balancer: 'lb1', startedAt: it.time.now };
    const look = it.lb.look('capacity');
    it.time.advance(0.01);
    if (view) it.sidecar.post({ ...at, type: 'server-set', server: 'app/app1', admin: 'maint', view, epoch });
    it.sidecar.post({ ...at, type: 'polled', look });
    it.sidecar.post({ type: 'counted', source: 'http', count: 0, startedAt: it.time.now });
    expect(it.ended(id)).toMatchObject({ code: 'held' });
    expect(it.lb.server('app/app1')).toMatchObject({ admin: 'drain', by: 'operator' });
  });
});

describe('An operator’s MAINT that was taken over', () => {
  test.each(['the operator', 'a reload'])('and that %s ended is not put back: users may have come', (by) => {
    const it = scene();
    it.lb.set('app/app1', 'maint', 'operator');
    it.time.advance(5_000);
    const id = it.ask('drain', { force: true, reason: 'ours now', fence: false, timeoutMs: 20_000 });
    it.until('it is ours', () => it.sidecar.state.balancers['lb1']?.servers['app/app1']?.inSync === true);
    if (by === 'a reload') it.lb.reload(false);
    else it.lb.set('app/app1', 'ready', 'operator');
    it.site.visit();
    it.reach('draining');
    it.until('its user may finish', () => it.admin() === 'drain');
    expect(it.result(id)).toBeUndefined();
    it.cancel();
    expect(it.ended(id).code).toBe('cancelled');
    expect(it.admin()).toBe('ready');
    expect(it.site.thrownOut).toEqual([]);
  });
});

describe('A second look that crosses the answer of a write', () => {
  test('and shows DRAIN proves no fence: the node is drained by the next one', () => {
    const it = scene();
    const id = it.ask('drain');
    it.reach('fencing');
    it.until('the second look is under way', () => it.sidecar.state.outing?.fence?.confirmedAt != null);
    const balancer = 'lb1';
    const startedAt = it.time.now;
    it.time.advance(0.5);
    const look = it.lb.look();
    const [view] = look.servers;
    if (!view) throw new Error('no server');
    const { epoch } = it.sidecar.state;
    it.sidecar.post({
      type: 'server-set',
      balancer,
      server: view.name,
      admin: 'maint',
      view,
      epoch,
      startedAt,
    });
    const seen = { ...look, servers: [{ ...view, admin: 'drain' as const }] };
    it.sidecar.post({ type: 'counted', source: 'http', count: 0, startedAt });
    it.sidecar.post({ type: 'polled', balancer, look: seen, startedAt });
    expect(it.sidecar.state.phase).toBe('fencing');
    expect(it.ended(id)).toMatchObject({ code: 'done', phase: 'drained' });
  });
});

test('An operator’s DRAIN that the last look showed stays the operator’s, although its balancer does not answer when a drain begins', () => {
  const it = scene({ unreachable: 'ignore' });
  it.lb.set('app/app1', 'drain', 'operator');
  it.time.advance(5_000);
  it.lb.setMode('refuses');
  it.ask('drain');
  it.reach('draining');
  it.lb.setMode('answers');
  it.time.advance(5_000);
  expect(it.ended(it.ask('ready'))).toMatchObject({ code: 'held', phase: 'serving' });
  expect(it.lb.server('app/app1')).toMatchObject({ admin: 'drain', by: 'operator' });
});
