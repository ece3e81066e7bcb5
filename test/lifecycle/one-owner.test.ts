import { describe, expect, test } from '@jest/globals';
import { scene, type Scene } from '../support/world/scene.ts';
import { adminsWritten } from '../support/world/writes.ts';

/**
 * Each level has one owner, and what another request asks for, or fails to get, leaves it alone: the cases of a review that
 * the random campaigns find as well (CAMPAIGN.md), each by itself.
 */

const MINUTE = 60_000;

const held = (by = 'alice'): Scene => {
  const it = scene();
  it.ended(it.ask('hold', { reason: 'memory test', by }));
  return it;
};

describe('A hold', () => {
  test.each<[string, object, string]>([
    ['a dry run', { dryRun: true }, 'done'],
    ['a forced request that is refused', {}, 'config'],
  ])('is not ended by %s of what would go over it', (_what, terms, code) => {
    const it = held();
    it.crash({ canStart: false });
    const kind = code === 'config' ? 'restart' : 'stop';
    expect(it.ended(it.ask(kind, { force: true, reason: 'now', ...terms })).code).toBe(code);
    it.time.advance(MINUTE);
    expect([it.sidecar.state.hold?.reason, it.admin()]).toEqual(['memory test', 'drain']);
    expect(it.ended(it.ask('ready')).code).toBe('held');
  });

  test('of a node that was out already keeps an application out that its container has started afresh', () => {
    const it = scene({ supervises: true });
    it.ended(it.ask('drain', { by: 'app' }));
    it.ended(it.ask('hold', { reason: 'memory test' }));
    it.time.advance(100);
    it.sidecar.crash();
    it.site.die();
    it.sidecar.boot();
    it.time.advance(MINUTE);
    expect([it.admin(), it.sidecar.state.hold?.reason]).toEqual(['maint', 'memory test']);
    it.ended(it.ask('release'));
    expect(it.ended(it.ask('ready'))).toMatchObject({ code: 'done', phase: 'serving' });
  });

  test('that waits for a balancer outlives a forced request that is refused, and keeps none busy for ever', () => {
    const it = scene({ canStart: false });
    it.ended(it.ask('stop'));
    it.lb.setMode('silent');
    const hold = it.ask('hold', { reason: 'memory test', timeoutMs: 20_000 });
    it.time.advance(2_000);
    expect(it.ended(it.ask('restart', { force: true, reason: 'now' })).code).toBe('config');
    expect(it.ended(hold).code).toBe('deadline');
    it.lb.setMode('answers');
    it.time.advance(MINUTE);
    expect(it.sidecar.state.hold?.reason).toBe('memory test');
    expect(it.ended(it.ask('release')).code).toBe('done');
    expect(it.ended(it.ask('stop')).code).toBe('done');
  });

  test('is over with the cancel of its request, and after the next start too', () => {
    const it = scene();
    it.lb.setMode('slow');
    const id = it.ask('hold', { reason: 'memory test' });
    it.until('it is installed', () => it.sidecar.state.hold !== null);
    it.sidecar.post({ type: 'cancel', id, by: 'alice' });
    it.lb.setMode('answers');
    it.reach('serving');
    expect([it.result(id)?.code, it.sidecar.state.hold, it.admin()]).toEqual(['cancelled', null, 'ready']);
    it.crash();
    it.time.advance(MINUTE);
    expect([it.sidecar.state.phase, it.admin()]).toEqual(['serving', 'ready']);
    expect(it.ended(it.ask('drain')).code).toBe('done');
  });
});

describe('A stop after a drain without a fence', () => {
  test('waits for a user who has come back in DRAIN, and writes no MAINT over that user', () => {
    const it = scene();
    expect(it.ended(it.ask('drain', { fence: false })).code).toBe('done');
    const server = it.lb.server('app/app1');
    server.serving = 1;
    it.time.advance(1_000);
    const id = it.ask('stop');
    it.time.advance(MINUTE);
    expect([adminsWritten(it), it.site.app.alive, it.result(id)]).toEqual([['drain'], true, undefined]);
    server.serving = 0;
    expect(it.ended(id)).toMatchObject({ code: 'done', phase: 'stopped', forced: 0 });
  });

  test('waits while the number of users is unknown', () => {
    const it = scene();
    expect(it.ended(it.ask('drain', { fence: false })).code).toBe('done');
    it.site.failing.add('http');
    it.time.advance(15_000);
    const id = it.ask('stop', { force: true, reason: 'now' });
    it.time.advance(20_000);
    expect([it.admin(), it.site.app.alive]).toEqual(['drain', true]);
    it.site.failing.clear();
    expect(it.ended(id)).toMatchObject({ code: 'done', phase: 'stopped' });
  });
});

test('A failed node whose application lives gets DRAIN, and no MAINT over the users whom a reload has brought', () => {
  const it = scene();
  it.site.app.stop = 'fails';
  expect(it.ended(it.ask('stop')).code).toBe('app-stop');
  expect([it.sidecar.state.phase, it.admin()]).toEqual(['failed', 'maint']);
  it.lb.reload(false);
  it.site.visit();
  it.time.advance(20_000);
  expect(it.admin()).toBe('drain');
  it.site.leave();
  it.site.app.stop = 'works';
  expect(it.ended(it.ask('stop'))).toMatchObject({ code: 'done', phase: 'stopped' });
  expect(it.admin()).toBe('maint');
});

test('SIGTERM under `run -- COMMAND` is carried out although the disk cannot be written', () => {
  const it = scene({ supervises: true });
  it.disk.failing = true;
  const id = it.ask('stop', { isShutdown: true, by: 'signal', onTimeout: 'force' });
  expect(it.ended(id)).toMatchObject({ code: 'done', phase: 'stopped' });
  expect([it.site.app.alive, it.sidecar.state.alarms['disk']]).toEqual([false, expect.any(String)]);
});

test('A drain that its deadline has left in DRAIN expires all the same', () => {
  const it = scene();
  it.site.visit();
  const terms = { expiresMs: MINUTE, timeoutMs: 10_000, onTimeout: 'hold' } as const;
  expect(it.ended(it.ask('drain', terms)).code).toBe('deadline');
  it.time.advance(5_000);
  it.site.leave();
  it.reach('drained');
  it.time.advance(2 * MINUTE);
  expect([it.sidecar.state.phase, it.admin()]).toEqual(['serving', 'ready']);
});

describe('A sign-out', () => {
  test('that the guard refuses is an alarm, and is followed once there are enough others', () => {
    const it = scene();
    Object.assign(it.lb, { others: 0 });
    it.sidecar.probed('up', true);
    it.time.advance(MINUTE);
    expect(it.sidecar.state.alarms['sign-out']).toMatch(
      /the application signed itself out: .*it is tried again/,
    );
    expect(it.admin()).toBe('ready');
    Object.assign(it.lb, { others: 2 });
    it.time.advance(2 * MINUTE);
    expect([it.sidecar.state.phase, it.sidecar.state.alarms]).toEqual(['drained', {}]);
  });

  test('in the middle of an operation is followed after it', () => {
    const it = scene();
    const id = it.ask('restart');
    it.reach('draining');
    it.cancel();
    it.sidecar.probed('up', true);
    expect(it.ended(id).code).toBe('cancelled');
    it.reach('drained');
    expect(it.sidecar.results.at(-1)).toMatchObject({ operation: 'drain', code: 'done' });
  });
});

test('A gate that answers while the record of another request is refused by the disk is as it has answered', () => {
  const it = scene({ hasGate: true });
  const id = it.ask('drain');
  it.until('the gate is asked', () => it.sidecar.state.gate.asked === 'on');
  it.until('its intent is on disk', () => it.sidecar.state.saved === it.sidecar.state.save);
  it.disk.failing = true;
  const stop = it.ask('stop');
  it.until('both have answered', () => it.result(stop) !== undefined && it.sidecar.state.gate.asked === null);
  expect(it.result(stop)?.code).toBe('state-write');
  it.disk.failing = false;
  expect(it.ended(id)).toMatchObject({ code: 'done', phase: 'drained' });
  expect(it.sidecar.state.gate).toMatchObject({ is: 'on', asked: null });
});
