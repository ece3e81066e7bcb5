import { describe, expect, test } from '@jest/globals';
import { POLICY, type Scene, scene } from '../../support/world/scene.ts';

const MINUTE = 60_000;

/** A drain that waits for a user, whose application something else restarts; it does not answer well yet. */
function restarted(changes: Parameters<typeof scene>[0] = {}): Scene & { readonly drain: string } {
  const it = scene({ canStart: false, ...changes });
  it.site.visit();
  const drain = it.ask('drain');
  it.reach('draining');
  it.time.advance(500);
  it.site.die();
  it.site.revive(false);
  // Its source does not answer either, so nothing is known of users.
  it.site.failing.add('http');
  return Object.assign(it, { drain });
}

/** It has started, and its probe is good. */
function warm({ site, sidecar, time, lb }: Scene): void {
  lb.server('app/app1').up = true;
  site.app.healthy = true;
  sidecar.post({ type: 'probed', health: 'up', signedOut: null, startedAt: time.now });
}

describe('`ready` during a drain whose application was restarted from outside', () => {
  test('sets READY once the application is healthy, and the result of the drain is `cancelled`', () => {
    const it = restarted();
    const ready = it.ask('ready');
    it.time.advance(MINUTE);
    expect(it.sidecar.state.phase).toBe('warming');
    expect(it.admin()).toBe('drain');
    expect(it.result(ready)).toBeUndefined();
    warm(it);
    expect(it.ended(ready)).toMatchObject({ code: 'done', phase: 'serving' });
    expect(it.result(it.drain)).toMatchObject({ ok: false, code: 'cancelled', phase: 'serving' });
    expect(it.admin()).toBe('ready');
  });

  test('ends at its own deadline, and `ready` tries again', () => {
    const it = restarted();
    const ready = it.ended(it.ask('ready', { timeoutMs: MINUTE }));
    expect(ready).toMatchObject({ ok: false, code: 'app-health', phase: 'failed' });
    expect(ready.message).toContain('the node stays in DRAIN');
    expect(it.result(it.drain)).toMatchObject({ code: 'cancelled' });
    expect(it.admin()).toBe('drain');
    warm(it);
    expect(it.ended(it.ask('ready'))).toMatchObject({ code: 'done', phase: 'serving' });
  });

  test('goes on with that after a crash', () => {
    const it = restarted();
    const ready = it.ask('ready');
    it.reach('warming');
    it.time.advance(500);
    it.crash();
    it.time.advance(MINUTE);
    expect(it.admin()).toBe('drain');
    warm(it);
    expect(it.ended(ready)).toMatchObject({ code: 'done', phase: 'serving' });
    expect(it.ended(it.drain)).toMatchObject({ code: 'cancelled' });
    expect(it.admin()).toBe('ready');
  });

  test('starts what is down', () => {
    const it = restarted({ canStart: true });
    it.site.die();
    expect(it.ended(it.ask('ready'))).toMatchObject({ code: 'done', phase: 'serving' });
    expect(it.site.app.alive).toBe(true);
  });

  test('gives way to a shutdown', () => {
    const it = restarted();
    const ready = it.ask('ready');
    it.reach('warming');
    const stop = it.ask('stop', { isShutdown: true, timeoutMs: MINUTE, onTimeout: 'force' });
    expect(it.ended(stop)).toMatchObject({ code: 'done', phase: 'stopped' });
    expect(it.result(ready)).toMatchObject({ code: 'cancelled' });
  });
});

test('A cancel puts back what was found at once, whatever the application says', () => {
  const it = restarted();
  it.time.advance(MINUTE);
  it.cancel();
  expect(it.ended(it.drain)).toMatchObject({ code: 'cancelled' });
  expect(it.admin()).toBe('ready');
});

describe('`ready` during a drain that took over a DRAIN from outside', () => {
  test.each(['drain', 'maint'] as const)('puts %s back, and says that the node takes no users', (found) => {
    const it = scene({}, ({ balancers }) => balancers[0]?.set('app/app1', found, 'operator'));
    it.site.users.push({ balancer: it.lb, server: it.lb.server('app/app1') });
    it.ask('drain', { force: true, reason: 'deploy' });
    it.reach('draining');
    it.time.advance(2_000);
    const { ok, code, message, warnings } = it.ended(it.ask('ready'));
    expect({ ok, code }).toEqual({ ok: false, code: 'held' });
    expect(message).toContain('so the node gets no new users');
    expect(warnings.join()).toContain(`app/app1 is in ${found.toUpperCase()} again, as it was found`);
    expect(it.admin()).toBe(found);
  });
});

test('A drain that is cancelled names a balancer that has fallen silent since what was found was put back there', () => {
  const [first] = POLICY.balancers;
  const it = scene({ balancers: [first!, { ...first!, name: 'lb2', servers: ['web/web1'] }] });
  it.site.visit();
  const drain = it.ask('drain');
  it.reach('draining');
  it.time.advance(500);
  it.site.balancer('lb2').setMode('refuses');
  it.cancel();
  it.until('READY at one of them', () => it.admin() === 'ready');
  it.time.advance(500);
  it.site.balancer('lb1').setMode('refuses');
  it.until('that is known', () => it.sidecar.state.balancers['lb1']?.error !== null);
  it.site.balancer('lb2').setMode('answers');
  const { code, warnings } = it.ended(drain);
  expect([code, warnings]).toEqual([
    'cancelled',
    [expect.stringMatching(/^not yet restored: lb1: app\/app1 \(.+\); lastcall retries in the background$/)],
  ]);
});
