import { describe, expect, test } from '@jest/globals';
import type { Claim } from '../../../agent/lifecycle/model/pool.ts';
import type { StateRecord } from '../../../agent/lifecycle/model/record.ts';
import { POOL, inPool, neighbour, holders, queue, logged } from '../../support/world/pool-scene.ts';

/** The slot of a sidecar that was killed, and of a configuration that has changed meanwhile (INVARIANTS.md#i5). */

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
    it.until('the record', () => it.sidecar.state.saved === it.sidecar.state.save);
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

  test.each(['draining', 'fencing', 'drained'] as const)(
    'in %s, after which another node has its slot, puts back what was found: one too many in DRAIN for a second at most',
    (phase) => {
      const it = inPool();
      it.site.visit();
      const id = it.ask('stop');
      it.reach('draining');
      if (phase !== 'draining') it.site.leave();
      it.reach(phase);
      it.until('the record', () => it.sidecar.state.saved === it.sidecar.state.save);
      it.crash({}, () => {
        it.lock.free('app1');
        neighbour(it);
      });
      const first = it.time.now;
      it.until('it gives back', () => it.admin() === 'ready');
      expect(it.time.now - first).toBeLessThan(1_000);
      expect(it.ended(id)).toMatchObject({ code: 'locked', phase: 'serving' });
      expect(it.result(id)?.message).toMatch(/the slot of pool app was freed from outside/);
      expect(it.effects.some(({ type }) => type === 'stop')).toBe(false);
      it.time.advance(5_000);
      expect([holders(it), queue(it), it.sidecar.state.slot]).toEqual([['app2'], [], null]);
    },
  );

  test('after which no other node has its slot takes it again, and the operation goes on', () => {
    const it = inPool();
    it.site.visit();
    const id = it.ask('stop');
    it.reach('draining');
    it.crash({}, () => it.lock.free('app1'));
    it.time.advance(2_000);
    expect([it.admin(), holders(it)]).toEqual(['drain', ['app1']]);
    it.site.leave();
    expect(it.ended(id)).toMatchObject({ code: 'done', phase: 'stopped' });
  });

  test('of a node that stays out, after which another node has its slot, leaves it out and in the queue', () => {
    const it = inPool();
    it.ended(it.ask('stop'));
    it.until('the record', () => it.sidecar.state.saved === it.sidecar.state.save);
    let other: Claim | null = null;
    it.crash({}, () => {
      it.lock.free('app1');
      other = neighbour(it);
    });
    it.time.advance(30_000);
    expect([it.admin(), it.sidecar.state.phase, holders(it), queue(it)]).toEqual([
      'maint',
      'stopped',
      ['app2'],
      ['app1'],
    ]);
    it.lock.ask({ does: 'give', claim: other! }, it.time.now);
    it.until('its slot', () => holders(it).includes('app1'));
    expect(it.ended(it.ask('ready'))).toMatchObject({ code: 'done' });
  });

  test('keeps a request that waits for a slot beside an operation whose pool is new in the configuration', () => {
    const it = inPool({ pool: null });
    it.site.visit();
    const drain = it.ask('drain');
    it.reach('draining');
    let other: Claim | null = null;
    it.crash({ pool: POOL }, () => {
      other = neighbour(it);
    });
    const id = it.ask('restart', { waitForSlotMs: 60_000 });
    it.until('it is accepted', () => it.sidecar.replies.some((one) => one.id === id));
    expect(it.sidecar.state.op?.id).toBe(drain);
    const record = JSON.parse(it.disk.content ?? '') as StateRecord;
    expect(record.waiting?.map(({ request }) => request.id)).toEqual([id]);
    it.crash();
    it.site.leave();
    it.lock.ask({ does: 'give', claim: other! }, it.time.now);
    expect(it.ended(id)).toMatchObject({ code: 'done', phase: 'serving' });
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
