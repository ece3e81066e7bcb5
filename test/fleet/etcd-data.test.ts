import { describe, expect, test } from '@jest/globals';
import type { FleetLock } from '../../agent/fleet/lock.ts';
import type { Claim } from '../../agent/lifecycle/model/pool.ts';
import { claimOf } from '../support/claim.ts';
import { startEtcd } from '../support/etcd.ts';
import { never, refusalOf } from '../support/outcome.ts';
import { createPausableClock } from '../support/pausable-clock.ts';
import { until } from '../support/until.ts';
import { claim, etcd, found, log, nodesOf, open, queueOf, use, useEtcd } from '../support/etcd-lock.ts';

('missing' in found ? describe.skip : describe)('The lock by etcd', () => {
  useEtcd();

  test('that lost its data gets the slots again by those that held them, before a new one is given', async () => {
    const [one, two, late] = [open(), open(), open()];
    await one.take(claim('app1', { slots: 2 }), never);
    const failed = claim('app2', { slots: 2 });
    await two.take(failed, never);
    await two.mark(failed, 'failed', 'it did not start', never);
    await etcd.kill();
    await etcd.start({ empty: true });
    const newcomer = claim('app3', { slots: 2, brake: 2 });
    expect(queueOf(await late.take(newcomer, never))).toEqual(['app3']);
    const again = await until('both have their slots again', async () => {
      const now = await late.take(newcomer, never);
      return now.holders.length === 2 && now;
    });
    expect(again.holders).toHaveLength(2);
    expect(again.holders).toContainEqual(
      expect.objectContaining({ state: 'failed', failure: 'it did not start', alive: true }),
    );
    expect(log.records.map(({ message }) => message)).toContain(
      'the fleet lock lost its data: the slot was put again',
    );
    expect((await etcd.get('/lastcall/app/epoch')).size).toBe(1);
    await until('the time of its foundation is over', async () => {
      return (await etcd.get('/lastcall/app/founding')).size === 0;
    });
    expect(queueOf(await late.take(newcomer, never))).toEqual(['app3']);
  });

  test('that lost its data gets no more slots again than are allowed by now', async () => {
    const clock = createPausableClock();
    const locks = [open('app', { clock }), open('app', { clock })];
    const claims = [claim('app1', { slots: 2 }), claim('app2', { slots: 2 })];
    for (const [place, lock] of locks.entries()) await lock.take(claims[place] as Claim, never);
    // They put their slots again by themselves, and must not before the claim that allows one alone.
    clock.pause();
    await etcd.kill();
    await etcd.start({ empty: true });
    await open().take(claim('app3', { slots: 1 }), never);
    clock.resume();
    await until('one has its slot again', async () => {
      const views = [await (locks[0] as FleetLock).look(never), await (locks[1] as FleetLock).look(never)];
      return views.every((view) => view.holders.length === 1);
    });
    expect(queueOf(await (locks[0] as FleetLock).look(never))).toEqual(['app3']);
  });

  test('keeps of a reason and of a failure what is one line of a log', async () => {
    const lock = open();
    const held = claim('app1', { reason: `two\nlines ${'x'.repeat(5000)}` });
    await lock.take(held, never);
    const { holders } = await lock.mark(held, 'failed', `no\u001b[31m start ${'y'.repeat(5000)}`, never);
    expect(holders[0]?.claim.reason).toMatch(/^two\\nlines x{900,990}$/);
    expect(holders[0]?.failure).toMatch(/^no\\u001b\[31m start y{900,990}$/);
  });

  test('keeps pools apart, also where the name of one begins with that of the other', async () => {
    for (const pool of ['ap', 'app', 'app0', 'app-b', 'app.b']) {
      await use(pool);
      const lock = open(pool);
      const view = await lock.take(claimOf(pool, `of-${pool}`), never);
      expect([nodesOf(view), queueOf(view)]).toEqual([[`of-${pool}`], []]);
    }
  });

  test('refuses endpoints that are two clusters, also where the first one is down when the second one is asked', async () => {
    const second = await startEtcd((found as { program: string }).program);
    try {
      const refused = { code: 'locked', message: expect.stringContaining('two clusters') };
      const endpoints = [etcd.url, second.url];
      expect(await refusalOf(() => open('app', { endpoints }).take(claim('app1'), never))).toMatchObject(
        refused,
      );
      await second.kill();
      const lock = open('app', { endpoints });
      const held = claim('app2');
      await lock.take(held, never);
      await second.start();
      await etcd.kill();
      expect(await refusalOf(() => lock.look(never))).toMatchObject(refused);
      await etcd.start();
      await second.kill();
      // What it said is not forgotten.
      expect(await refusalOf(() => lock.look(never))).toMatchObject(refused);
    } finally {
      await second.close();
    }
  });

  test.each(['', '{}', 'no JSON', '{"node":"app9"}'])(
    'refuses, and names it, a claim that it cannot read: %p',
    async (value) => {
      await etcd.put('/lastcall/app/claims/app9/x', value);
      expect(await refusalOf(() => open().take(claim('app1'), never))).toMatchObject({
        code: 'locked',
        message: expect.stringContaining('/lastcall/app/claims/app9/x'),
      });
    },
  );

  test('puts its slot again when an operator has removed the whole pool, and its sign of life when that was removed', async () => {
    const [lock, other] = [open(), open()];
    const held = claim('app1');
    await lock.take(held, never);
    await etcd.remove(`/lastcall/app/alive/app1/${held.id}`);
    await until('it lives again', async () => (await other.look(never)).holders[0]?.alive === true);
    for (const key of (await etcd.get('/lastcall/app/')).keys()) await etcd.remove(key);
    const late = claim('app2');
    expect((await other.take(late, never)).waiters).toHaveLength(1);
    await until('it has its slot again', async () => nodesOf(await other.take(late, never)).includes('app1'));
    expect(queueOf(await other.take(late, never))).toEqual(['app2']);
  });

  test('asks for its lease anew when an operator has revoked all of them', async () => {
    const [lock, other] = [open(), open()];
    const [held, waits] = [claim('app1'), claim('app2')];
    await lock.take(held, never);
    await other.take(waits, never);
    const { leases } = (await etcd.ask('lease/leases', {})) as { leases: { ID: string }[] };
    for (const { ID } of leases) await etcd.ask('lease/revoke', { ID });
    expect(await lock.look(never)).toMatchObject({ holders: [{ alive: false }], waiters: [] });
    expect(queueOf(await other.take(waits, never))).toEqual(['app2']);
    await until('it lives again', async () => (await other.look(never)).holders[0]?.alive === true);
  });
});
