import { describe, expect, test } from '@jest/globals';
import type { Phase } from '../../../agent/lifecycle/model/api.ts';
import type { StateRecord } from '../../../agent/lifecycle/model/record.ts';
import { claimOf } from '../../support/claim.ts';
import { type Scene, scene } from '../../support/world/scene.ts';

const MINUTE = 60_000;

/** The reboots that were asked for, by the id of their operation. */
function asked({ effects }: Scene): string[] {
  return effects.flatMap((effect) => (effect.type === 'reboot' ? [effect.id] : []));
}

/**
 * The machine goes off; the first sidecar of the next boot finds the record.
 * @param starts the boot starts the application
 * @param balancer HAProxy is on that machine, and comes up in READY
 */
function powerCycle(it: Scene, starts = false, balancer = false): void {
  it.sidecar.crash();
  const record = JSON.parse(it.disk.content ?? 'null') as StateRecord;
  it.site.die();
  if (starts) it.site.revive();
  it.time.advance(40_000);
  if (balancer) it.lb.reload(false);
  it.sidecar.boot({ record, fresh: false, sameBoot: false });
}

function untilAsked(it: Scene): void {
  it.until('the reboot is asked for', () => asked(it).length > 0);
}

describe('A reboot of the machine', () => {
  test('waits for the users, stops the application, is asked for once, and after the boot the node is back', () => {
    const it = scene();
    it.site.visit();
    const id = it.ask('reboot', { reason: 'kernel' });
    it.time.advance(3 * MINUTE);
    expect(asked(it)).toEqual([]);
    expect(it.site.app.alive).toBe(true);
    it.site.leave();
    it.reach('stopped');
    untilAsked(it);
    expect(it.site.app.alive).toBe(false);
    expect(it.admin()).toBe('maint');
    it.time.advance(20_000);
    expect(it.result(id)).toBeUndefined();
    powerCycle(it);
    expect(it.ended(id)).toMatchObject({
      ok: true,
      code: 'done',
      operation: 'reboot',
      phase: 'serving',
      reason: 'kernel',
    });
    expect(asked(it)).toEqual([id]);
    expect(it.site.app.alive).toBe(true);
    expect(it.admin()).toBe('ready');
  });

  test('answers a stop that comes in between with what its own stop had to warn of', () => {
    const it = scene({ stopIsIdempotent: false, stopProves: false });
    const id = it.ask('reboot');
    untilAsked(it);
    const { code, warnings } = it.ended(it.ask('stop'));
    expect(code).toBe('done');
    expect(warnings).toContain('nothing proves that the application is gone');
    powerCycle(it);
    expect(it.ended(id).code).toBe('done');
  });

  test('does not expire: a drain that asks for it while the reboot is waited for is answered so', () => {
    const it = scene();
    it.ask('reboot');
    untilAsked(it);
    const { code, warnings } = it.ended(it.ask('drain', { expiresMs: MINUTE }));
    expect(code).toBe('done');
    expect(warnings.join()).toContain('does not expire');
    expect(it.ended(it.ask('drain')).warnings).toEqual([]);
  });

  test('its intent is on disk before it is asked for', () => {
    const it = scene();
    it.ask('reboot');
    untilAsked(it);
    const record = JSON.parse(it.disk.content ?? 'null') as StateRecord;
    expect(record).toMatchObject({ phase: 'stopped', op: { kind: 'reboot', reboot: 'sent' } });
  });

  test('is not asked for where the disk does not hold its intent', () => {
    const it = scene();
    const id = it.ask('reboot');
    it.reach('stopping');
    while (it.sidecar.state.saved < it.sidecar.state.save) it.time.advance(0.1);
    it.disk.failing = true;
    expect(it.ended(id)).toMatchObject({ code: 'state-write', phase: 'failed' });
    it.time.advance(10 * MINUTE);
    expect(asked(it)).toEqual([]);
  });

  test('that was refused ends 1, names why, and the node stays out until `ready`', () => {
    const it = scene();
    it.site.app.reboot = 'refused';
    const id = it.ask('reboot');
    expect(it.ended(id)).toMatchObject({
      code: 'failed',
      phase: 'failed',
      message: expect.stringContaining('systemctl: exit code 1'),
    });
    expect(it.admin()).toBe('maint');
    it.time.advance(10 * MINUTE);
    expect(it.ended(it.ask('ready'))).toMatchObject({ code: 'done', phase: 'serving' });
    expect(asked(it)).toEqual([id]);
  });

  test('that never comes ends 1 within a bounded time, and a new request asks anew', () => {
    const it = scene();
    const id = it.ask('reboot');
    it.reach('stopped');
    const since = it.time.now;
    expect(it.ended(id)).toMatchObject({
      code: 'failed',
      phase: 'failed',
      message: expect.stringContaining('has not come within 300 s'),
    });
    expect(it.time.now - since).toBeLessThan(301_000);
    expect(it.admin()).toBe('maint');
    const again = it.ask('reboot');
    it.until('it is asked for again', () => asked(it).includes(again));
    expect(asked(it)).toEqual([id, again]);
  });

  test.each([
    ['before', (it: Scene) => it.sidecar.state.op?.reboot === 'intended'],
    ['after', (it: Scene) => asked(it).length > 0],
  ] as const)('a sidecar that was killed just %s it was asked for leaves it at that', (_when, is) => {
    const it = scene();
    const id = it.ask('reboot');
    it.until('then', () => is(it));
    while (it.sidecar.state.saved < it.sidecar.state.intentSave) it.time.advance(0.1);
    const before = asked(it).length;
    it.crash();
    expect(it.ended(id)).toMatchObject({ code: 'failed', phase: 'failed' });
    expect(asked(it)).toHaveLength(before);
    expect(before).toBeLessThan(2);
  });

  test('that comes after such a kill is its own all the same', () => {
    const it = scene();
    const id = it.ask('reboot');
    untilAsked(it);
    it.crash();
    it.time.advance(MINUTE);
    powerCycle(it);
    expect(it.ended(id)).toMatchObject({ code: 'done', phase: 'serving' });
  });

  test('a second boot during the way back changes nothing: it was its own', () => {
    const it = scene();
    const id = it.ask('reboot');
    untilAsked(it);
    powerCycle(it);
    it.reach('warming');
    while (it.sidecar.state.saved < it.sidecar.state.intentSave) it.time.advance(0.1);
    powerCycle(it);
    expect(it.ended(id)).toMatchObject({ code: 'done', phase: 'serving' });
    expect(asked(it)).toEqual([id]);
  });

  test('the way back has a time of its own, however long the drain took', () => {
    const it = scene({ returnMs: 5 * MINUTE });
    it.site.visit();
    const id = it.ask('reboot', { timeoutMs: 100 * MINUTE });
    it.time.advance(90 * MINUTE);
    it.site.leave();
    untilAsked(it);
    it.site.app.start = 'unhealthy';
    powerCycle(it);
    it.reach('warming');
    const since = it.time.now;
    expect(it.ended(id)).toMatchObject({ code: 'app-health', phase: 'failed' });
    expect(it.time.now - since).toBeGreaterThan(4.9 * MINUTE);
    expect(it.admin()).toBe('maint');
  });

  test('an application that fails after the boot leaves the node out', () => {
    const it = scene();
    const id = it.ask('reboot');
    untilAsked(it);
    it.site.app.start = 'fails';
    powerCycle(it);
    expect(it.ended(id)).toMatchObject({ code: 'app-health', phase: 'failed' });
    expect(it.admin()).toBe('maint');
  });

  test('an application that ends unseen right after its start is fenced where HAProxy came up READY', () => {
    const it = scene({ stopIsIdempotent: false, stopProves: false, returnMs: MINUTE });
    const id = it.ask('reboot');
    untilAsked(it);
    it.site.failing.add('http');
    it.site.app.start = 'unhealthy';
    powerCycle(it, false, true);
    it.until('it is started', () => it.site.app.alive);
    it.site.die();
    expect(it.ended(id)).toMatchObject({ code: 'app-health', phase: 'failed' });
    it.time.advance(10_000);
    const since = it.effects.length;
    expect([it.sidecar.state.phase, it.admin()]).toEqual(['failed', 'maint']);
    it.lb.reload(false);
    it.time.advance(10_000);
    expect(it.effects.slice(since).flatMap((one) => (one.type === 'set-server' ? [one.admin] : []))).toEqual([
      'maint',
    ]);
  });

  test('an application that lives, and is not healthy, keeps its users: DRAIN until it has ended', () => {
    const it = scene({ stopIsIdempotent: false, stopProves: false, returnMs: MINUTE });
    const id = it.ask('reboot');
    untilAsked(it);
    it.site.app.start = 'unhealthy';
    powerCycle(it, false, true);
    expect(it.ended(id)).toMatchObject({ code: 'app-health', phase: 'failed' });
    it.time.advance(60_000);
    expect(it.admin()).toBe('drain');
    it.site.die();
    it.time.advance(10_000);
    expect([it.sidecar.state.phase, it.admin()]).toEqual(['failed', 'maint']);
  });

  test('without a start the boot itself starts the application', () => {
    const it = scene({ canStart: false });
    const id = it.ask('reboot');
    untilAsked(it);
    powerCycle(it, true);
    expect(it.ended(id)).toMatchObject({ code: 'done', phase: 'serving' });
    expect(it.effects.filter(({ type }) => type === 'start')).toEqual([]);
  });

  test('without a start and without a probe it is refused: nothing would show that the application is there', () => {
    const it = scene({ canStart: false, hasProbe: false });
    expect(it.ended(it.ask('reboot'))).toMatchObject({ code: 'config', phase: 'serving' });
    expect(it.admin()).toBe('ready');
  });

  test('under `run -- COMMAND` the child of the next boot is its application', () => {
    const it = scene({ supervises: true });
    const id = it.ask('reboot');
    untilAsked(it);
    powerCycle(it);
    expect(it.ended(id)).toMatchObject({ code: 'done', phase: 'serving' });
    expect(asked(it)).toEqual([id]);
  });
});

describe('A power cut during a reboot', () => {
  test.each(['draining', 'fencing', 'drained', 'stopping'] as const satisfies readonly Phase[])(
    'before it was asked for (%s): it ends 1, is not asked for any more, and the node stays out',
    (phase) => {
      const it = scene();
      if (phase === 'draining') it.site.visit();
      const id = it.ask('reboot');
      it.reach(phase);
      while (it.sidecar.state.saved < it.sidecar.state.intentSave) it.time.advance(0.1);
      powerCycle(it, true);
      expect(it.ended(id)).toMatchObject({
        code: 'failed',
        phase: 'failed',
        message: expect.stringContaining('a power cut'),
      });
      it.time.advance(10 * MINUTE);
      expect(asked(it)).toEqual([]);
      expect(it.admin()).not.toBe('ready');
      expect(it.ended(it.ask('ready'))).toMatchObject({ code: 'done', phase: 'serving' });
    },
  );

  test('while it is being given up: what was found is put back', () => {
    const it = scene();
    it.site.visit();
    const id = it.ask('reboot');
    it.reach('draining');
    it.time.advance(500);
    it.cancel();
    it.until('it is given up, on disk', () => {
      const { op } = JSON.parse(it.disk.content ?? 'null') as StateRecord;
      return op !== null && op.outcome !== null;
    });
    powerCycle(it, true);
    expect(it.ended(id)).toMatchObject({ code: 'cancelled', phase: 'serving' });
    expect(it.admin()).toBe('ready');
  });
});

const POOL = {
  name: 'app',
  lock: ['file /run/lock/app'],
  slots: 1,
  brake: 1,
  servers: { lb1: ['app/app1'] },
  balancers: { lb1: 'lb1' },
  seed: '0123456789',
};

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

describe('Beside a reboot', () => {
  test('a restart that has begun is taken over, and its caller gets the result of both after the boot', () => {
    const it = scene();
    it.site.visit();
    const restart = it.ask('restart');
    it.reach('draining');
    const id = it.ask('reboot');
    it.time.advance(500);
    it.site.leave();
    untilAsked(it);
    expect(asked(it)).toEqual([id]);
    expect(it.result(restart)).toBeUndefined();
    powerCycle(it);
    expect(it.ended(restart)).toMatchObject({ code: 'done', phase: 'serving' });
    expect(it.ended(id)).toMatchObject({ code: 'done', phase: 'serving' });
  });

  test('drain and stop are part of it, and done where it stops', () => {
    const it = scene();
    it.site.visit();
    const id = it.ask('reboot');
    it.reach('draining');
    const [drain, stop] = [it.ask('drain'), it.ask('stop')];
    it.time.advance(500);
    it.site.leave();
    expect(it.ended(drain)).toMatchObject({ code: 'done', phase: 'drained' });
    expect(it.ended(stop)).toMatchObject({ code: 'done', phase: 'stopped' });
    untilAsked(it);
    // `systemctl stop` of the application, by the machine that goes down.
    expect(it.ended(it.ask('drain', { noRefuse: true }))).toMatchObject({ code: 'done', phase: 'stopped' });
    expect(it.ended(it.ask('stop', { isShutdown: true }))).toMatchObject({ code: 'done', phase: 'stopped' });
    powerCycle(it);
    expect(it.ended(id)).toMatchObject({ code: 'done', phase: 'serving' });
  });

  test.each(['stopping', 'stopped'] as const)(
    '`restart` and `ready` that come while it is %s wait for the boot',
    (phase) => {
      const it = scene();
      const id = it.ask('reboot');
      it.reach(phase);
      const others = [it.ask('restart'), it.ask('ready')];
      it.time.advance(2_000);
      expect(others.map((one) => it.result(one))).toEqual([undefined, undefined]);
      powerCycle(it);
      for (const one of [id, ...others])
        expect(it.ended(one)).toMatchObject({ code: 'done', phase: 'serving' });
    },
  );

  test('`ready` during its drain gives it up', () => {
    const it = scene();
    it.site.visit();
    const id = it.ask('reboot');
    it.reach('draining');
    expect(it.ended(it.ask('ready'))).toMatchObject({ code: 'done', phase: 'serving' });
    expect(it.ended(id)).toMatchObject({ code: 'cancelled' });
    expect(asked(it)).toEqual([]);
  });

  test('a hold refuses it', () => {
    const it = scene();
    it.ended(it.ask('hold', { reason: 'mine' }));
    expect(it.ended(it.ask('reboot'))).toMatchObject({ code: 'held' });
  });

  test('a stopped node is rebooted without another stop', () => {
    const it = scene();
    it.ended(it.ask('stop'));
    const id = it.ask('reboot');
    untilAsked(it);
    expect(it.effects.filter(({ type }) => type === 'stop')).toHaveLength(1);
    powerCycle(it);
    expect(it.ended(id)).toMatchObject({ code: 'done', phase: 'serving' });
  });

  test('--dry-run says what would happen, and changes nothing', () => {
    const it = scene();
    const { plan } = it.ended(it.ask('reboot', { dryRun: true }));
    expect(plan).toContain('reboot the machine by `systemctl reboot`');
    expect(it.admin()).toBe('ready');
    expect(asked(it)).toEqual([]);
  });
});
