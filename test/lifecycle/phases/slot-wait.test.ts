import { describe, expect, test } from '@jest/globals';
import type { Claim } from '../../../agent/lifecycle/model/pool.ts';
import type { StateRecord } from '../../../agent/lifecycle/model/record.ts';
import {
  asked,
  inPool,
  neighbour,
  holders,
  queue,
  written,
  statusNow,
} from '../../support/world/pool-scene.ts';
import { POLICY, type Scene } from '../../support/world/scene.ts';

/** A node that waits for a slot, and what leaves the queue (INVARIANTS.md#i5). */

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

  test('is none that the guard refuses at once: too few others are there because one is out on that slot', () => {
    const it = inPool();
    const other = neighbour(it);
    Object.assign(it.lb, { others: 0 });
    expect(it.ended(it.ask('stop')).code).toBe('guard');
    const dry = it.ended(it.ask('stop', { waitForSlotMs: 60_000, dryRun: true }));
    expect([dry.code, dry.message]).toEqual(['guard', expect.stringMatching(/; where another node .*waits/)]);
    const id = it.ask('stop', { waitForSlotMs: 60_000 });
    it.until('it is accepted', () => it.sidecar.replies.some((reply) => reply.id === id));
    it.time.advance(20_000);
    expect([written(it), queue(it)]).toEqual([[], ['app1']]);
    Object.assign(it.lb, { others: 1 });
    it.lock.ask({ does: 'give', claim: other }, it.time.now);
    expect(it.ended(id)).toMatchObject({ ok: true, phase: 'stopped' });
  });

  test('is refused by the guard where it gets the slot, and looks once more before that', () => {
    const it = inPool();
    Object.assign(it.lb, { others: 0 });
    const id = it.ask('stop', { waitForSlotMs: 60_000 });
    expect(it.ended(id).code).toBe('guard');
    it.until('it is given back', () => it.sidecar.state.slot === null);
    expect(it.effects.filter(({ type }) => type === 'survey')).toHaveLength(2);
    const takes = (): number => asked(it).filter((does) => does === 'take').length;
    const before = takes();
    const again = it.ask('stop', { waitForSlotMs: 60_000 });
    it.until('it asks for the slot', () => takes() > before);
    Object.assign(it.lb, { others: 1 });
    expect(it.ended(again)).toMatchObject({ ok: true, phase: 'stopped' });
  });

  test('is refused by the brake, and not by the guard, where a node did not come back', () => {
    const it = inPool();
    const claim = neighbour(it);
    it.lock.ask({ does: 'mark', claim, state: 'failed', failure: 'app-health' }, it.time.now);
    Object.assign(it.lb, { others: 0 });
    expect(it.ended(it.ask('stop', { waitForSlotMs: 60_000 })).code).toBe('braked');
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

  test('waits on with what is left of its time where the slot is freed while it is checked, once in the record', () => {
    const it = waiting(10_000);
    const since = it.time.now;
    it.time.advance(4_000);
    it.lock.ask({ does: 'give', claim: it.other }, it.time.now);
    it.until('it is called', () => it.sidecar.state.slot?.is === 'held');
    it.lock.free('app1');
    neighbour(it);
    it.until('it waits again', () => it.sidecar.state.waiting.length > 0);
    it.time.advance(1_000);
    const record = JSON.parse(it.disk.content ?? '') as StateRecord;
    expect(record.waiting?.map(({ request: { id } }) => id)).toEqual([it.id]);
    it.crash();
    expect(it.ended(it.id)).toMatchObject({ code: 'locked', phase: 'serving' });
    expect(it.time.now - since).toBeLessThan(11_000);
    it.time.advance(30_000);
    expect(
      it.effects.filter((effect) => effect.type === 'finish' && effect.result.id === it.id),
    ).toHaveLength(1);
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
