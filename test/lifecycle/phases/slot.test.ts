import { describe, expect, test } from '@jest/globals';
import type { Claim } from '../../../agent/lifecycle/model/pool.ts';
import { statusOf } from '../../../agent/lifecycle/report/status.ts';
import type { Status } from '../../../agent/lifecycle/model/api.ts';
import type { Policy } from '../../../agent/lifecycle/model/policy.ts';
import { claimOf } from '../../support/claim.ts';
import { POLICY, scene, type Scene } from '../../support/world/scene.ts';

/** The slot of the node's pool, sentence by sentence (INVARIANTS.md#i5). */

const POOL: NonNullable<Policy['pool']> = {
  name: 'app',
  lock: ['file /run/lock/app'],
  slots: 1,
  brake: 1,
  servers: { lb1: ['app/app1'] },
  balancers: { lb1: 'lb1' },
  seed: '0123456789',
};

const inPool = (changes: Partial<Policy> = {}): Scene => scene({ pool: POOL, ...changes });

/** A neighbour takes a slot, or a place in the queue. */
function neighbour(it: Scene, node = 'app2', changes: Partial<Claim> = {}): Claim {
  const claim = claimOf('app', node, { by: 'cli bob', reason: 'deploy 41', ...changes });
  it.lock.ask({ does: 'take', claim }, it.time.now);
  return claim;
}

const holders = (it: Scene): string[] => it.lock.view(0).holders.map(({ claim }) => claim.node);
const queue = (it: Scene): string[] => it.lock.view(0).waiters.map(({ claim }) => claim.node);
const written = (it: Scene): string[] =>
  it.effects.flatMap((effect) => (effect.type === 'set-server' ? [effect.admin] : []));
const asked = (it: Scene): string[] =>
  it.effects.flatMap((effect) => (effect.type === 'ask-lock' ? [effect.ask.does] : []));
const logged = (it: Scene): string =>
  it.effects.flatMap((effect) => (effect.type === 'log' ? [effect.text] : [])).join('\n');
const statusNow = (it: Scene): Status =>
  statusOf(it.policy, it.sidecar.state, { eta: null, etaReason: null, curve: [] }, it.time.now, (at) =>
    String(at),
  );

describe('A node of a pool', () => {
  test('holds a slot from before its DRAIN until READY was read back', () => {
    const it = inPool();
    const id = it.ask('drain');
    it.until('its slot', () => holders(it).includes('app1'));
    expect([written(it), it.admin()]).toEqual([[], 'ready']);
    expect(it.ended(id)).toMatchObject({ ok: true, phase: 'drained' });
    it.time.advance(60_000);
    expect(holders(it)).toEqual(['app1']);
    it.ask('ready');
    it.until('the end of it', () => holders(it).length === 0);
    expect([it.admin(), it.sidecar.state.phase, it.sidecar.state.outing]).toEqual(['ready', 'serving', null]);
    it.until('it is told', () => it.sidecar.state.slot === null);
  });

  test('takes none while the disk fails: a shutdown goes on without, and a next life knows of no slot to give back', () => {
    const it = inPool({ supervises: true });
    it.time.advance(5_000);
    it.disk.failing = true;
    const id = it.ask('stop', { isShutdown: true, by: 'signal', onTimeout: 'force' });
    expect(it.ended(id).code).toBe('done');
    expect([asked(it).filter((does) => does === 'take'), holders(it)]).toEqual([[], []]);
  });

  test('asks for it when nothing else speaks against the request, and not at all where something does', () => {
    const it = inPool();
    Object.assign(it.lb, { others: 0 });
    expect(it.ended(it.ask('drain')).code).toBe('guard');
    expect(it.ended(it.ask('drain', { dryRun: true })).code).toBe('guard');
    it.time.advance(5_000);
    expect([asked(it), it.sidecar.state.slot]).toEqual([[], null]);
  });

  test('is refused at once where another one is out, and changes nothing', () => {
    const it = inPool();
    neighbour(it);
    const result = it.ended(it.ask('stop'));
    expect(result).toMatchObject({ ok: false, code: 'locked', phase: 'serving' });
    expect(result.message).toMatch(
      /app1: pool app has 1 slot: app2 holds a slot since .*\(restart by cli bob: deploy 41\)/,
    );
    it.time.advance(5_000);
    expect([holders(it), queue(it), written(it), it.sidecar.state.slot]).toEqual([['app2'], [], [], null]);
  });

  test('is refused with `--force` too, and goes on with a warning where it cannot be refused', () => {
    const it = inPool();
    neighbour(it);
    expect(it.ended(it.ask('drain', { force: true, reason: 'now' })).code).toBe('locked');
    const result = it.ended(it.ask('stop', { noRefuse: true }));
    expect(result).toMatchObject({ ok: true, phase: 'stopped' });
    expect(result.warnings.join()).toMatch(/app2 holds a slot.*cannot be refused and goes on/);
    expect(queue(it)).toEqual(['app1']);
  });

  test.each([{ isShutdown: true, by: 'signal' }, { noRefuse: true }])(
    'is forced at its deadline, and never brought back, where the lock fails or is freed in the middle (%p)',
    (who) => {
      for (const fault of ['down', 'freed'] as const) {
        const it = inPool({ supervises: true });
        it.site.visit();
        const id = it.ask('stop', { ...who, onTimeout: 'force', timeoutMs: 30_000 });
        it.reach('draining');
        expect(holders(it)).toEqual(['app1']);
        if (fault === 'down') it.lock.down = 'connection refused';
        else it.lock.free('app1');
        expect(it.ended(id)).toMatchObject({ code: 'done', phase: 'stopped', forced: 1 });
        expect(written(it)).not.toContain('ready');
      }
    },
  );

  test('waits a second for a lock that hangs where it cannot be refused: then its DRAIN comes', () => {
    const it = inPool();
    it.lock.answerMs = 10_000;
    const began = it.time.now;
    const id = it.ask('drain', { noRefuse: true });
    it.until('DRAIN', () => it.admin() === 'drain');
    expect(it.time.now - began).toBeLessThan(1_500);
    expect(it.ended(id).warnings.join()).toMatch(/the lock has not answered.*goes on/);
    it.until('it holds one after all', () => holders(it).includes('app1'));
  });

  test('is refused where the lock does not answer, and changes nothing', () => {
    const it = inPool();
    it.lock.down = 'connection refused';
    const result = it.ended(it.ask('restart', { waitForSlotMs: 60_000 }));
    expect(result).toMatchObject({ ok: false, code: 'locked', phase: 'serving' });
    expect(result.message).toMatch(/connection refused; nothing was changed/);
    expect(written(it)).toEqual([]);
    it.lock.down = null;
    it.until('what was asked meanwhile is given up', () => it.sidecar.state.slot === null);
    expect([holders(it), queue(it), Object.keys(it.sidecar.state.alarms)]).toEqual([[], [], []]);
  });

  test('gives its slot back where the request is refused after it', () => {
    const it = inPool();
    it.ask('drain');
    it.until('its slot', () => holders(it).includes('app1'));
    it.disk.failing = true;
    it.until('the refusal', () => it.sidecar.results.length > 0);
    expect(it.sidecar.results[0]?.code).toBe('state-write');
    it.until('it is given back', () => holders(it).length === 0);
  });

  test('asks for nothing that the disk does not hold', () => {
    const it = inPool();
    it.disk.failing = true;
    expect(it.ended(it.ask('drain'))).toMatchObject({ code: 'state-write', phase: 'serving' });
    expect(asked(it)).toEqual([]);
  });
});

describe('A node that waits for a slot', () => {
  const waiting = (waitForSlotMs = 60_000): Scene & { readonly id: string; readonly other: Claim } => {
    const it = inPool();
    const other = neighbour(it);
    const id = it.ask('stop', { waitForSlotMs, reason: 'patches' });
    it.until('it is accepted', () => it.sidecar.replies.some((reply) => reply.id === id));
    return { ...it, id, other };
  };

  test('says so: its place, who holds it, since when and why', () => {
    const it = waiting();
    it.time.advance(1_000);
    const { slot, operation, waits } = statusNow(it);
    expect(operation).toMatchObject({ id: it.id, operation: 'stop', reason: 'patches' });
    expect(operation?.remaining).toBeLessThan(60);
    expect(slot).toMatchObject({
      pool: 'app',
      is: 'waits',
      position: 1,
      holders: [{ node: 'app2', reason: 'deploy 41' }],
    });
    expect(waits.join()).toMatch(
      /a slot of pool app, place 1 in the queue,app2 holds a slot since 1970-01-01T00:16:40Z/,
    );
    expect(written(it)).toEqual([]);
  });

  test('says what to do where the holder does not live any more', () => {
    const it = waiting();
    it.lock.setAlive('app2', false);
    it.time.advance(1_000);
    expect(statusNow(it).waits.join()).toMatch(
      /its sidecar does not live; .*; if app2 no longer exists, `lastcall unlock app2 --reason TEXT`/,
    );
  });

  test('asks everything anew when its turn has come, and goes on', () => {
    const it = waiting();
    it.time.advance(20_000);
    const surveys = it.effects.filter(({ type }) => type === 'survey').length;
    it.lock.ask({ does: 'give', claim: it.other }, it.time.now);
    expect(it.ended(it.id)).toMatchObject({ ok: true, phase: 'stopped' });
    expect(it.effects.filter(({ type }) => type === 'survey').length).toBeGreaterThan(surveys);
    expect(holders(it)).toEqual(['app1']);
  });

  test('is refused then by what has come up meanwhile, and gives the slot back', () => {
    const it = waiting();
    it.lock.ask({ does: 'give', claim: it.other }, it.time.now);
    Object.assign(it.lb, { others: 0 });
    expect(it.ended(it.id)).toMatchObject({ code: 'guard', phase: 'serving' });
    it.until('it is given back', () => holders(it).length === 0);
  });

  test('is refused when its time is over, and leaves the queue', () => {
    const it = waiting(10_000);
    const result = it.ended(it.id);
    expect(result).toMatchObject({ ok: false, code: 'locked', phase: 'serving' });
    expect(result.seconds).toBeCloseTo(10, 0);
    it.until('its place is given up', () => queue(it).length === 0);
  });

  test('waits on while the lock does not answer, until its time is over', () => {
    const it = waiting(10_000);
    it.lock.down = 'connection refused';
    it.time.advance(8_000);
    expect(it.result(it.id)).toBeUndefined();
    expect(it.ended(it.id).message).toMatch(/connection refused/);
  });

  test('is refused within five seconds after a node did not come back', () => {
    const it = waiting();
    it.lock.ask(
      { does: 'mark', claim: it.other, state: 'failed', failure: 'app-health: exit 1' },
      it.time.now,
    );
    const before = it.time.now;
    const result = it.ended(it.id);
    expect(result.code).toBe('braked');
    expect(result.message).toMatch(/app2 did not come back \(app-health: exit 1\)/);
    expect(it.time.now - before).toBeLessThan(5_000);
    it.until('its place is given up', () => queue(it).length === 0);
  });

  test('can be cancelled: nothing was changed', () => {
    const it = waiting();
    it.sidecar.post({ type: 'cancel', id: it.id, by: 'alice' });
    expect(it.ended(it.id)).toMatchObject({ code: 'cancelled', phase: 'serving' });
    it.until('its place is given up', () => queue(it).length === 0);
    expect(written(it)).toEqual([]);
  });

  test('waits no more once an operator asks for `ready`, and is not taken out later', () => {
    const it = waiting(3_600_000);
    const second = it.ask('drain', { waitForSlotMs: 3_600_000 });
    it.time.advance(2_000);
    expect(it.ended(it.ask('ready', { dryRun: true })).code).toBe('done');
    expect(it.sidecar.state.waiting).toHaveLength(2);
    expect(it.ended(it.ask('ready', { by: 'alice' }))).toMatchObject({ code: 'done', phase: 'serving' });
    for (const id of [it.id, second])
      expect(it.result(id)).toMatchObject({ code: 'cancelled', message: 'cancelled by alice: ready' });
    it.until('its place is given up', () => queue(it).length === 0);
    it.crash();
    it.lock.ask({ does: 'give', claim: it.other }, it.time.now);
    it.time.advance(60_000);
    expect([it.sidecar.state.phase, it.sidecar.state.slot, written(it)]).toEqual(['serving', null, []]);
  });

  test('has at most 64 requests that wait, all of them in its record; one more is busy, and learns who waits', () => {
    const it = waiting();
    for (let more = 1; more < 64; more += 1) it.ask('restart', { waitForSlotMs: 60_000 });
    it.until('all of them wait', () => it.sidecar.state.waiting.length === 64);
    const result = it.ended(it.ask('restart', { waitForSlotMs: 60_000 }));
    expect(result).toMatchObject({ ok: false, code: 'busy', phase: 'serving' });
    expect(result.message).toMatch(/64 requests wait for a slot already, by test, the first is stop stop1/);
    expect(it.sidecar.state.waiting).toHaveLength(64);
  });

  test('waits on after a crash, in its place', () => {
    const it = waiting();
    const [before] = it.lock.view(0).waiters;
    it.crash();
    it.lock.ask({ does: 'give', claim: it.other }, it.time.now);
    expect(it.ended(it.id)).toMatchObject({ ok: true, phase: 'stopped' });
    expect(it.lock.view(0).holders[0]?.claim.id).toBe(before?.claim.id);
  });

  test('two callers wait for one slot, and become one operation', () => {
    const it = waiting();
    const second = it.ask('drain', { waitForSlotMs: 60_000 });
    it.time.advance(2_000);
    expect(queue(it)).toEqual(['app1']);
    it.lock.ask({ does: 'give', claim: it.other }, it.time.now);
    expect(it.ended(second)).toMatchObject({ ok: true, operation: 'drain' });
    expect(it.ended(it.id)).toMatchObject({ ok: true, phase: 'stopped' });
  });
});

describe('A slot that is lost, or a lock that does not answer', () => {
  const draining = (): Scene & { readonly id: string; readonly user: () => void } => {
    const it = inPool({ timeoutMs: 60_000 });
    it.site.visit();
    const id = it.ask('stop');
    it.reach('draining');
    it.time.advance(1_000);
    return { ...it, id, user: () => it.site.leave() };
  };

  test('gives up in DRAIN within a second, and puts back what was found', () => {
    const it = draining();
    it.lock.free('app1');
    neighbour(it);
    const before = it.time.now;
    it.until('it gives back', () => it.admin() === 'ready');
    expect(it.time.now - before).toBeLessThan(1_000);
    expect(it.ended(it.id)).toMatchObject({ code: 'locked', phase: 'serving' });
    expect(written(it)).not.toContain('maint');
    it.time.advance(5_000);
    expect([holders(it), queue(it), it.sidecar.state.slot]).toEqual([['app2'], [], null]);
  });

  test('is not fenced before the slot was seen by a look that began after DRAIN was read back', () => {
    const it = draining();
    it.lock.down = 'connection refused';
    it.user();
    it.time.advance(20_000);
    expect([it.admin(), it.sidecar.state.phase]).toEqual(['drain', 'settling']);
    expect(Object.keys(it.sidecar.state.alarms)).toEqual(['lock']);
    it.lock.down = null;
    expect(it.ended(it.id)).toMatchObject({ ok: true, phase: 'stopped' });
    expect(it.sidecar.state.alarms).toEqual({});
  });

  test('puts back what was found at the deadline, and gives the slot back once it can', () => {
    const it = draining();
    it.lock.down = 'connection refused';
    it.user();
    expect(it.ended(it.id)).toMatchObject({ ok: false, phase: 'serving' });
    expect([it.admin(), holders(it)]).toEqual(['ready', ['app1']]);
    it.lock.down = null;
    it.until('it is given back', () => holders(it).length === 0);
  });

  test('does not force over it at the deadline', () => {
    const it = inPool({ timeoutMs: 5_000, onTimeout: 'force' });
    it.site.visit();
    const id = it.ask('stop');
    it.reach('draining');
    it.lock.down = 'connection refused';
    const result = it.ended(id);
    expect(result).toMatchObject({ code: 'locked', phase: 'serving', forced: 0 });
    expect(result.seconds).toBeLessThan(20);
    expect(written(it)).not.toContain('maint');
  });

  test('does not stop behind the fence before it was read once more', () => {
    const it = inPool();
    const id = it.ask('stop');
    it.reach('fencing');
    it.lock.down = 'connection refused';
    it.time.advance(10_000);
    expect(it.sidecar.state.phase).toBe('drained');
    expect(it.effects.some(({ type }) => type === 'stop')).toBe(false);
    it.lock.down = null;
    expect(it.ended(id)).toMatchObject({ ok: true, phase: 'stopped' });
  });

  test('does not stop behind the fence where something else has freed it', () => {
    const it = inPool();
    const id = it.ask('stop');
    it.reach('fencing');
    it.lock.free('app1');
    expect(it.ended(id)).toMatchObject({ code: 'locked', phase: 'serving' });
    expect(it.effects.some(({ type }) => type === 'stop')).toBe(false);
    expect(it.admin()).toBe('ready');
  });

  test('needs no lock on the way back', () => {
    const it = inPool();
    it.ended(it.ask('stop'));
    it.lock.down = 'connection refused';
    expect(it.ended(it.ask('ready'))).toMatchObject({ ok: true, phase: 'serving' });
    expect(holders(it)).toEqual(['app1']);
    it.lock.down = null;
    it.until('it is given back', () => holders(it).length === 0);
  });

  test('is claimed anew by a node that stays out', () => {
    const it = inPool();
    it.ended(it.ask('drain'));
    it.lock.free('app1');
    it.time.advance(30_000);
    expect([holders(it), it.admin()]).toEqual([['app1'], 'maint']);
  });
});

describe('A node that does not come back', () => {
  test('keeps its slot, marked with the reason, until `ready` has brought it back', () => {
    const it = inPool();
    it.site.app.start = 'fails';
    expect(it.ended(it.ask('restart')).code).toBe('app-health');
    it.until('it is marked', () => it.lock.view(0).holders[0]?.state === 'failed');
    expect(it.lock.view(0).holders[0]?.failure).toMatch(/^app-health: app1: exit 1/);
    expect(it.ended(it.ask('ready')).code).toBe('app-health');
    expect(it.lock.view(0).holders[0]?.state).toBe('failed');
    it.site.app.start = 'works';
    expect(it.ended(it.ask('ready'))).toMatchObject({ ok: true, phase: 'serving' });
    it.until('it is given back', () => holders(it).length === 0);
  });

  test('is marked after a crash, too', () => {
    const it = inPool();
    it.site.app.start = 'fails';
    it.ended(it.ask('restart'));
    it.crash();
    it.until('it is marked', () => it.lock.view(0).holders[0]?.state === 'failed');
    expect(holders(it)).toEqual(['app1']);
  });

  test('brakes those who ask', () => {
    const it = scene({ pool: { ...POOL, slots: 3 } });
    const other = neighbour(it, 'app2', { slots: 3 });
    it.lock.ask({ does: 'mark', claim: other, state: 'failed', failure: 'exit 1' }, it.time.now);
    const result = it.ended(it.ask('drain', { waitForSlotMs: 60_000 }));
    expect(result).toMatchObject({ code: 'braked', phase: 'serving' });
    expect(result.message).toMatch(/`lastcall ready` there releases the others/);
  });
});

test('The brake names five nodes, and how many more there are', () => {
  const it = scene({ pool: { ...POOL, slots: 9, brake: 7 } });
  for (let index = 2; index < 9; index += 1) {
    const other = neighbour(it, `app${index}`, { slots: 9, brake: 7 });
    it.lock.ask({ does: 'mark', claim: other, state: 'failed', failure: 'exit 1' }, it.time.now);
  }
  const { code, message } = it.ended(it.ask('drain'));
  expect(code).toBe('braked');
  expect(message?.match(/did not come back/g)).toHaveLength(5);
  expect(message).toContain('; and 2 more; `lastcall ready` there');
  expect(message).toContain('for one that no longer exists, `lastcall unlock NODE --reason TEXT`');
});

describe('A crash', () => {
  test('in the middle is gone on with by the same claim', () => {
    const it = inPool();
    it.site.visit();
    it.ask('stop');
    it.reach('draining');
    const [before] = it.lock.view(0).holders;
    it.lock.setAlive('app1', false);
    it.crash();
    it.time.advance(2_000);
    expect(it.lock.view(0).holders).toMatchObject([{ claim: { id: before?.claim.id }, alive: true }]);
    expect(it.sidecar.state.phase).toBe('draining');
  });

  test('between the slot and the operation leaves no slot behind', () => {
    const it = inPool();
    it.ask('stop');
    it.until('its slot', () => holders(it).includes('app1'));
    it.crash();
    it.time.advance(5_000);
    expect([holders(it), queue(it), it.sidecar.state.slot]).toEqual([[], [], null]);
  });

  test('between the slot that an accepted request has waited for and its operation loses nothing of it', () => {
    const it = inPool();
    const other = neighbour(it);
    const id = it.ask('stop', { waitForSlotMs: 60_000 });
    it.until('it is accepted', () => it.sidecar.replies.some((one) => one.id === id));
    it.lock.ask({ does: 'give', claim: other }, it.time.now);
    it.until('it is checked', () => it.sidecar.state.candidate?.request.id === id);
    it.until('the record', () => it.sidecar.state.saved === it.sidecar.state.save);
    it.crash();
    it.until('it is called once more, or begun', () =>
      [it.sidecar.state.candidate?.request.id, it.sidecar.state.op?.id].includes(id),
    );
    it.crash();
    expect(it.ended(id)).toMatchObject({ code: 'done', phase: 'stopped' });
    it.crash();
    it.time.advance(5_000);
    expect([it.sidecar.state.waiting, it.sidecar.results.filter((one) => one.id === id)]).toEqual([
      [],
      [expect.objectContaining({ code: 'done' })],
    ]);
  });

  test('after an accepted request was refused in the end does not begin it', () => {
    const it = inPool();
    const other = neighbour(it);
    const id = it.ask('stop', { waitForSlotMs: 60_000 });
    it.until('it is accepted', () => it.sidecar.replies.some((one) => one.id === id));
    Object.assign(it.lb, { others: 0 });
    it.lock.ask({ does: 'give', claim: other }, it.time.now);
    expect(it.ended(id).code).toBe('guard');
    it.until('the record', () => it.sidecar.state.saved === it.sidecar.state.save);
    it.crash();
    Object.assign(it.lb, { others: 2 });
    it.time.advance(10_000);
    expect([it.sidecar.state.waiting, it.sidecar.state.phase, holders(it)]).toEqual([[], 'serving', []]);
  });

  test('that lost the record leaves the slot to be seen, and the node locks itself out by name', () => {
    const it = inPool();
    it.ended(it.ask('drain'));
    it.lock.setAlive('app1', false);
    it.crash({ pool: { ...POOL, seed: 'fedcba9876' } }, () => {
      it.disk.content = null;
      it.lb.set('app/app1', 'ready', 'operator');
    });
    const result = it.ended(it.ask('drain'));
    expect(result.code).toBe('locked');
    expect(result.message).toMatch(/app1 holds a slot .*`lastcall unlock app1 --reason TEXT`/);
  });

  test.each<[string, Partial<typeof POOL>, RegExp]>([
    [
      'another pool',
      { name: 'web' },
      /has pool web at file \/run\/lock\/app now, and the slot of pool app at/,
    ],
    [
      'another lock',
      { lock: ['etcd http://a'] },
      /has pool app at etcd http:\/\/a now, .* pool app at file \/run/,
    ],
  ])(
    'after which the configuration has %s: a new slot there, and an alarm for the old one',
    (_name, changes, text) => {
      const it = inPool();
      it.ended(it.ask('drain'));
      const [old] = it.lock.view(0).holders;
      it.crash({ pool: { ...POOL, ...changes } }, () => it.lock.free('app1'));
      it.time.advance(5_000);
      const [holder] = it.lock.view(0).holders;
      expect(holder?.claim).toMatchObject({ node: 'app1', pool: changes.name ?? 'app' });
      expect(holder?.claim.id).not.toBe(old?.claim.id);
      const alarms = Object.values(it.sidecar.state.alarms).join();
      expect(alarms).toMatch(text);
      expect(alarms).toMatch(/`lastcall unlock app1 --reason TEXT` at another node/);
      expect(logged(it)).not.toMatch(/freed from outside/);
      expect(it.ended(it.ask('ready'))).toMatchObject({ ok: true });
      it.until('it is given back', () => holders(it).length === 0);
    },
  );

  test('after which the lock has one more endpoint, or the record is an older one, keeps the slot', () => {
    const it = inPool({ pool: { ...POOL, lock: ['etcd http://a', 'etcd http://b'] } });
    it.ended(it.ask('drain'));
    const [old] = it.lock.view(0).holders;
    it.crash({ pool: { ...POOL, lock: ['etcd http://b', 'etcd http://c'] } });
    it.time.advance(15_000);
    it.crash({}, () => {
      const record = JSON.parse(it.disk.content ?? '') as { slot: { lock?: unknown } };
      delete record.slot.lock;
      it.disk.content = JSON.stringify(record);
    });
    it.time.advance(15_000);
    expect(it.lock.view(0).holders[0]?.claim.id).toBe(old?.claim.id);
    expect(it.sidecar.state).toMatchObject({ alarms: {}, slot: { is: 'held' } });
  });

  test('after which the configuration has no lock lets what waited for a slot go on', () => {
    const it = inPool();
    neighbour(it);
    const id = it.ask('stop', { waitForSlotMs: 60_000 });
    it.until('it is accepted', () => it.sidecar.replies.some((one) => one.id === id));
    it.crash({ pool: null });
    expect(it.ended(id)).toMatchObject({ code: 'done', phase: 'stopped' });
    expect([it.sidecar.state.waiting, it.sidecar.state.slot]).toEqual([[], null]);
  });

  test('after which the configuration has no lock leaves an alarm', () => {
    const it = inPool();
    it.ended(it.ask('drain'));
    it.crash({ pool: null });
    it.time.advance(1_000);
    expect(Object.values(it.sidecar.state.alarms).join()).toMatch(
      /`lastcall unlock app1 --reason TEXT` at another node/,
    );
  });
});

describe('A slot that was held when the lock answered last', () => {
  test('is no slot for the next operation while the lock does not answer: refused at once', () => {
    const it = inPool();
    it.ended(it.ask('drain'));
    it.ask('ready');
    it.until('its way back', () => it.sidecar.state.phase === 'returning');
    it.lock.down = 'connection refused';
    it.reach('serving');
    it.time.advance(20_000);
    it.lock.free('app1');
    const since = written(it).length;
    const began = it.time.now;
    expect(it.ended(it.ask('stop')).code).toBe('locked');
    expect([written(it).length, it.time.now - began < 1_000]).toEqual([since, true]);
  });

  test('and was freed and taken by another node is asked for again where the way back has not ended', () => {
    const it = inPool();
    it.ended(it.ask('stop'));
    it.time.advance(15_000);
    it.ask('ready', { timeoutMs: 5_000 });
    it.reach('returning');
    it.site.app.healthy = false;
    it.lb.server('app/app1').up = false;
    it.lock.free('app1');
    neighbour(it);
    it.time.advance(30_000);
    expect([it.sidecar.state.phase, it.sidecar.state.slot?.is]).toEqual(['returning', 'lost']);
    expect(it.ended(it.ask('drain')).code).toBe('locked');
  });
});

test('A node that did not come back, and whose slot was freed before it could say so, asks for one again', () => {
  const it = inPool();
  it.site.app.start = 'fails';
  const id = it.ask('restart');
  it.reach('stopping');
  it.lock.down = 'connection refused';
  it.lock.free('app1');
  expect(it.ended(id)).toMatchObject({ code: 'app-health', phase: 'failed' });
  it.lock.down = null;
  it.time.advance(30_000);
  expect(it.lock.view(0).holders).toMatchObject([{ claim: { node: 'app1' }, state: 'failed' }]);
});

test('A slot that is being given back is none for the next operation, which asks for one of its own', () => {
  const it = inPool();
  it.ended(it.ask('drain'));
  it.ask('ready');
  it.reach('returning');
  it.lock.isSlow = true;
  it.until('it is asked to be given back', () => it.sidecar.state.slot?.asked === 'give');
  const first = it.effects.length;
  expect(it.ended(it.ask('drain'))).toMatchObject({ ok: true });
  const later = it.effects.slice(first);
  const takes = later.findIndex((effect) => effect.type === 'ask-lock' && effect.ask.does === 'take');
  expect(takes).toBeGreaterThan(-1);
  expect(takes).toBeLessThan(later.findIndex((effect) => effect.type === 'set-server'));
});

test('A node on its way back that lost its slot leaves the queue with the request that had asked for one', () => {
  const it = inPool();
  it.ended(it.ask('stop'));
  it.ask('ready', { timeoutMs: 5_000 });
  it.reach('returning');
  it.site.app.healthy = false;
  it.lb.server('app/app1').up = false;
  it.time.advance(15_000);
  it.lock.free('app1');
  neighbour(it);
  it.time.advance(30_000);
  expect(it.ended(it.ask('drain')).code).toBe('locked');
  it.time.advance(15_000);
  expect([it.sidecar.state.phase, queue(it)]).toEqual(['returning', []]);
});

test('A request that is cancelled before its place in the queue is on disk is answered once', () => {
  const it = inPool();
  neighbour(it);
  const id = it.ask('drain', { waitForSlotMs: 60_000 });
  it.until('it waits', () => it.sidecar.state.waiting.length > 0);
  expect(it.sidecar.state.pending?.kind).toBe('join');
  it.sidecar.post({ type: 'cancel', id, by: 'alice' });
  it.time.advance(1_000);
  expect(it.ended(id).code).toBe('cancelled');
  expect(it.effects.filter((effect) => effect.type === 'reply' && effect.id === id)).toEqual([]);
});

describe('A hold', () => {
  test('takes a slot at its start, and gives it back after its release', () => {
    const it = inPool();
    expect(it.ended(it.ask('hold', { reason: 'disk' })).ok).toBe(true);
    expect(holders(it)).toEqual(['app1']);
    it.ended(it.ask('release'));
    it.until('it is given back', () => holders(it).length === 0);
  });

  test('is refused where another one is out', () => {
    const it = inPool();
    neighbour(it);
    expect(it.ended(it.ask('hold', { reason: 'disk' })).code).toBe('locked');
  });
});

test('A node in rotation whose `ready` waits for one balancer keeps no place for a request that was refused', () => {
  const balancers = [...POLICY.balancers, { ...POLICY.balancers[0]!, name: 'lb2', servers: ['web/web1'] }];
  const it = inPool({ balancers, unreachable: 'ignore' });
  it.site.balancer('lb2').setMode('refuses');
  it.time.advance(30_000);
  it.sidecar.probed('unknown');
  const id = it.ask('ready');
  it.reach('returning');
  it.sidecar.probed('up');
  expect(it.ended(id)).toMatchObject({ ok: true, phase: 'serving' });
  expect(it.sidecar.state.outing?.level).toBe('none');
  neighbour(it);
  expect(it.ended(it.ask('drain')).code).toBe('locked');
  it.until('its place is given back', () => queue(it).length === 0);
  it.lock.free('app2');
  it.time.advance(30_000);
  expect([it.sidecar.state.outing?.level, holders(it), it.sidecar.state.slot]).toEqual(['none', [], null]);
});
