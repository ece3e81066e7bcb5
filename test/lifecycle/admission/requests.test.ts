import { describe, expect, test } from '@jest/globals';
import type { OperationKind } from '../../../agent/lifecycle/model/api.ts';
import { type Scene, scene } from '../../support/world/scene.ts';

/** A node whose operation waits in that phase: users hold it while draining, a slow stop while stopping. */
function during(kind: OperationKind): Scene & { readonly running: string } {
  const it = scene();
  it.site.visit();
  const running = it.ask(kind);
  it.reach('draining');
  it.time.advance(500);
  return { ...it, running };
}

function stopping(kind: 'stop' | 'restart'): Scene & { readonly running: string } {
  const it = scene();
  const running = it.ask(kind);
  it.reach('stopping');
  return { ...it, running };
}

describe('A dry run beside a running operation', () => {
  test.each([
    ['stop', 'stop', 'join the running stop'],
    ['restart', 'stop', 'wait for its part of the running restart'],
    ['stop', 'restart', 'take over the running stop'],
    ['stop', 'ready', 'cancel the running stop and put back what was found'],
  ] as const)('during a %s says what %s would do, and changes nothing', (running, kind, plan) => {
    const it = during(running);
    expect(it.ended(it.ask(kind, { dryRun: true }))).toMatchObject({ code: 'done', plan: [plan] });
    expect(it.sidecar.state.op?.id).toBe(it.running);
  });

  test.each([
    ['drain', 'be done at once: the running stop is past it'],
    ['ready', 'wait for the end of the running stop, then start the application'],
  ] as const)('while the application stops says what %s would do', (kind, plan) => {
    const it = stopping('stop');
    expect(it.ended(it.ask(kind, { dryRun: true })).plan).toEqual([plan]);
  });
});

describe('Two requests at once', () => {
  test('of the same kind are one operation, for fifty callers too', () => {
    const it = during('stop');
    const ids = Array.from({ length: 50 }, () => it.ask('stop'));
    it.time.advance(2_000);
    const replies = it.sidecar.replies.filter(({ id }) => ids.includes(id));
    expect(replies.map(({ ticket }) => ticket)).toEqual(ids);
    expect(it.sidecar.state.op?.id).toBe(it.running);
    it.site.leave();
    expect(it.ended(it.running).code).toBe('done');
    for (const id of ids) expect(it.result(id)).toMatchObject({ code: 'done', phase: 'stopped' });
    expect(it.effects.filter(({ type }) => type === 'stop')).toHaveLength(1);
  });

  test.each([
    ['drain', 'stop', 'stopped'],
    ['drain', 'restart', 'serving'],
    ['stop', 'restart', 'serving'],
  ] as const)('let a running %s become part of a %s', (weaker, stronger, phase) => {
    const it = during(weaker);
    const second = it.ask(stronger);
    it.time.advance(500);
    it.site.leave();
    expect(it.ended(it.running)).toMatchObject({ code: 'done', operation: weaker });
    expect(it.ended(second)).toMatchObject({ code: 'done', operation: stronger, phase });
  });

  test.each([
    ['stop', 'drain', 'drained'],
    ['restart', 'drain', 'drained'],
    ['restart', 'stop', 'stopped'],
  ] as const)('let a %s answer a %s on its way', (stronger, weaker, phase) => {
    const it = during(stronger);
    const second = it.ask(weaker);
    it.time.advance(500);
    it.site.leave();
    expect(it.ended(second)).toMatchObject({ code: 'done', operation: weaker, phase });
    expect(it.ended(it.running)).toMatchObject({ code: 'done', operation: stronger });
  });

  test.each(['drain', 'stop', 'restart'] as const)('let ready cancel a %s that waits for users', (kind) => {
    const it = during(kind);
    const ready = it.ask('ready');
    expect(it.ended(ready)).toMatchObject({ code: 'done', phase: 'serving' });
    expect(it.ended(it.running)).toMatchObject({ code: 'cancelled', phase: 'serving' });
    expect(it.admin()).toBe('ready');
  });

  test('let ready start what is just being stopped', () => {
    const it = stopping('stop');
    const ready = it.ask('ready');
    expect(it.ended(it.running)).toMatchObject({ code: 'done', operation: 'stop', phase: 'stopped' });
    expect(it.ended(ready)).toMatchObject({ code: 'done', operation: 'ready', phase: 'serving' });
    expect(it.site.app.alive).toBe(true);
  });

  test('let a restart take over a stop that was issued, which still runs once', () => {
    const it = stopping('stop');
    const restart = it.ask('restart');
    expect(it.ended(it.running)).toMatchObject({ code: 'done', operation: 'stop' });
    expect(it.ended(restart)).toMatchObject({ code: 'done', phase: 'serving' });
    expect(it.effects.filter(({ type }) => type === 'stop')).toHaveLength(1);
  });

  test('tell a drain at once that a node which is being stopped is drained', () => {
    const it = stopping('stop');
    expect(it.ended(it.ask('drain'))).toMatchObject({ code: 'done', operation: 'drain' });
    expect(it.ended(it.running).code).toBe('done');
  });

  test.each(['drain', 'stop', 'restart'] as const)('refuse a %s during a return as busy', (kind) => {
    const it = scene();
    it.ended(it.ask('stop'));
    it.ask('ready', { by: 'alice', reason: 'deploy 41' });
    it.reach('warming');
    it.time.advance(30);
    const result = it.ended(it.ask(kind));
    expect(result).toMatchObject({ ok: false, code: 'busy' });
    expect(result.message).toContain('ready ready2 by alice (deploy 41)');
  });

  test('let a shutdown through during a return', () => {
    const it = scene();
    it.ended(it.ask('stop'));
    const ready = it.ask('ready');
    it.reach('returning');
    expect(it.ended(it.ask('stop', { isShutdown: true }))).toMatchObject({ code: 'done', phase: 'stopped' });
    expect(it.result(ready)).toMatchObject({ code: 'cancelled' });
    expect(it.site.app.alive).toBe(false);
  });

  test('judge a stop anew when the drain it was to take over was cancelled meanwhile', () => {
    const it = during('drain');
    const stop = it.ask('stop');
    it.cancel();
    expect(it.ended(stop)).toMatchObject({ ok: false, code: 'busy' });
    expect(it.ended(it.running).code).toBe('cancelled');
    expect(it.site.app.alive).toBe(true);
  });
});

describe('A shutdown', () => {
  test('does not wait for the checks of another request, which is judged again after it', () => {
    const it = scene();
    it.lb.setMode('silent');
    const drain = it.ask('drain');
    it.time.advance(100);
    expect(it.sidecar.state.candidate?.request.id).toBe(drain);
    const waiting = it.ask('stop', { by: 'bob' });
    const stop = it.ask('stop', { isShutdown: true, by: 'signal' });
    expect(it.sidecar.state.candidate?.request.id).toBe(stop);
    expect(it.sidecar.state.queue.map(({ id }) => id)).toEqual([drain, waiting]);
    it.lb.setMode('answers');
    expect(it.ended(stop)).toMatchObject({ code: 'done', phase: 'stopped' });
    expect(it.ended(drain)).toMatchObject({ code: 'done', operation: 'drain' });
    expect(it.ended(waiting)).toMatchObject({ code: 'done', operation: 'stop' });
    expect(it.effects.filter(({ type }) => type === 'stop')).toHaveLength(1);
  });
});

describe('What is so already', () => {
  test.each([
    ['drain', 'drain', ['finish']],
    ['stop', 'drain', ['finish']],
    // Something else may have started what was stopped: it is looked for once.
    ['stop', 'stop', ['look-for-life', 'finish']],
  ] as const)(
    'is answered without a write to a balancer or the disk: after %s, %s',
    (first, second, does) => {
      const it = scene();
      it.ended(it.ask(first));
      // Its own last write may still be under way.
      it.time.advance(1_000);
      const before = it.effects.length;
      expect(it.ended(it.ask(second))).toMatchObject({ ok: true, code: 'done' });
      expect(it.effects.slice(before).map(({ type }) => type)).toEqual(does);
    },
  );

  test('is not so any more when something else has started a stopped application without a probe that tells', () => {
    const it = scene({ hasProbe: false, onSignOut: 'ignore' });
    it.ended(it.ask('stop'));
    it.site.revive();
    expect(it.ended(it.ask('stop'))).toMatchObject({ code: 'done', phase: 'stopped' });
    expect(it.site.app.alive).toBe(false);
  });

  test('is not so any more when something else has started a stopped application', () => {
    const it = scene();
    it.ended(it.ask('stop'));
    it.site.revive();
    it.sidecar.probed('up');
    it.ended(it.ask('stop'));
    expect(it.site.app.alive).toBe(false);
  });

  test('ready on a node that serves is done without a write', () => {
    const it = scene();
    expect(it.ended(it.ask('ready'))).toMatchObject({ code: 'done', phase: 'serving' });
    expect(it.effects.some(({ type }) => type === 'set-server')).toBe(false);
  });
});

describe('A dry run', () => {
  test('says what would happen and changes nothing', () => {
    const it = scene();
    const { plan } = it.ended(it.ask('restart', { dryRun: true }));
    expect(plan?.[0]).toBe('set app/app1 at lb1 to DRAIN');
    expect(plan?.at(-1)).toBe('set READY and read back READY and UP');
    expect(it.sidecar.state.phase).toBe('serving');
    expect(it.effects.some(({ type }) => type === 'set-server' || type === 'persist')).toBe(false);
  });
});

describe('A restart without a start', () => {
  test('is refused as configuration before anything is asked', () => {
    const it = scene({ canStart: false });
    expect(it.ended(it.ask('restart'))).toMatchObject({ ok: false, code: 'config' });
    expect(it.effects.map(({ type }) => type)).toEqual(['finish']);
  });
});
