import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { createEtcdLock } from '../../agent/fleet/etcd/etcd-lock.ts';
import type { FleetLock } from '../../agent/fleet/lock.ts';
import type { Claim, PoolView, SlotHolder } from '../../agent/lifecycle/model/pool.ts';
import { realClock, type Clock } from '../../agent/system/clock.ts';
import { LastcallError } from '../../agent/system/error.ts';
import { claimOf } from '../support/claim.ts';
import { findEtcd, startEtcd, type Etcd } from '../support/etcd.ts';
import { memoryLog, type MemoryLog } from '../support/memory-log.ts';
import { never, refusalOf } from '../support/outcome.ts';
import { createPausableClock } from '../support/pausable-clock.ts';
import { freePort } from '../support/ports.ts';
import { createShiftedClock } from '../support/shifted-clock.ts';
import { skipped } from '../support/skip.ts';
import { until } from '../support/until.ts';

const TTL_MS = 2000;
const found = await findEtcd();
if ('missing' in found) test('etcd is here', () => skipped(found.missing));

let etcd: Etcd;
let log: MemoryLog;
const opened: FleetLock[] = [];

function open(
  pool = 'app',
  { endpoints = [etcd.url], clock = realClock }: { endpoints?: readonly string[]; clock?: Clock } = {},
): FleetLock {
  const lock = createEtcdLock({ endpoints, ttlMs: TTL_MS }, pool, { clock, log });
  opened.push(lock);
  return lock;
}

/** The pool is in use for longer than a lease. */
async function use(pool: string): Promise<void> {
  await etcd.put(`/lastcall/${pool}/epoch`, 'of-the-test');
}

const nodesOf = ({ holders }: PoolView): string[] => holders.map(({ claim: { node } }) => node);
const queueOf = ({ waiters }: PoolView): string[] => waiters.map(({ claim: { node } }) => node);
const claim = (node: string, changes: Partial<Claim> = {}): Claim => claimOf('app', node, changes);
const untilDead = (lock: FleetLock): Promise<SlotHolder> =>
  until('its lease runs out', async () => (await lock.look(never)).holders.find(({ alive }) => !alive));

('missing' in found ? describe.skip : describe)('The lock by etcd', () => {
  beforeAll(async () => {
    if ('program' in found) etcd = await startEtcd(found.program);
  });
  afterAll(() => etcd?.close());
  beforeEach(async () => {
    log = memoryLog();
    await use('app');
  });
  afterEach(async () => {
    etcd.signal('SIGCONT');
    for (const lock of opened.splice(0)) await lock.close();
    for (const key of (await etcd.get('/lastcall/')).keys()) await etcd.remove(key);
  });

  test('keeps a slot without a lease, and what says that its holder lives under one', async () => {
    const lock = open();
    const [held, waits] = [claim('app1'), claim('app2')];
    await lock.take(held, never);
    await open().take(waits, never);
    const { kvs } = (await etcd.ask('kv/range', { key: 'AA==', range_end: 'AA==' })) as {
      kvs: { key: string; lease?: string }[];
    };
    const leased = kvs.map(({ key, lease }) => [Buffer.from(key, 'base64').toString(), lease !== undefined]);
    expect(Object.fromEntries(leased)).toEqual({
      '/lastcall/app/epoch': false,
      [`/lastcall/app/claims/app1/${held.id}`]: false,
      [`/lastcall/app/alive/app1/${held.id}`]: true,
      [`/lastcall/app/claims/app2/${waits.id}`]: true,
    });
    await lock.give(held, never);
    expect([...(await etcd.get('/lastcall/app/')).keys()]).toHaveLength(2);
  });

  test('keeps the order of the queue when a place becomes a slot: its create revision stays', async () => {
    const [first, second] = [claim('app1'), claim('app2')];
    const [one, two] = [open(), open()];
    await one.take(first, never);
    await two.take(second, never);
    const before = await createRevision(second);
    await one.give(first, never);
    await two.take(second, never);
    expect(await createRevision(second)).toBe(before);
    await two.mark(second, 'soaking', null, never);
    expect(await createRevision(second)).toBe(before);
  });

  test('gives nothing new while etcd is down, and goes on with what it gave once etcd is back', async () => {
    const [lock, other] = [open(), open()];
    const held = claim('app1');
    await lock.take(held, never);
    await other.take(claim('app2'), never);
    await etcd.kill();
    for (const ask of [() => lock.look(never), () => other.take(claim('app2'), never)])
      expect(await refusalOf(ask)).toMatchObject({
        code: 'locked',
        message: expect.stringContaining('etcd'),
      });
    await etcd.start();
    const view = await lock.look(never);
    expect([nodesOf(view), queueOf(view)]).toEqual([['app1'], ['app2']]);
    expect(nodesOf(await lock.give(held, never))).toEqual([]);
  });

  test('ends within its time where etcd hangs, and what was asked then has no effect after it was given back', async () => {
    const lock = open();
    const held = claim('app1');
    etcd.signal('SIGSTOP');
    const error = await refusalOf(() => lock.take(held, never));
    expect(error).toMatchObject({ code: 'locked', message: expect.stringMatching(/within \d+ ms/) });
    expect(error.elapsedMs).toBeLessThan(11_000);
    etcd.signal('SIGCONT');
    await lock.give(held, never);
    expect(await open().look(never)).toMatchObject({ holders: [], waiters: [] });
  });

  test('is aborted at once in the middle of an answer that does not come', async () => {
    const lock = open();
    await lock.look(never);
    const abort = new AbortController();
    const reason = new LastcallError('cancelled', 'not wanted any more');
    etcd.signal('SIGSTOP');
    const taking = lock.take(claim('app1'), abort.signal);
    setImmediate(() => abort.abort(reason));
    await expect(taking).rejects.toBe(reason);
  });

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
    const locks = [open(), open()];
    const claims = [claim('app1', { slots: 2 }), claim('app2', { slots: 2 })];
    for (const [place, lock] of locks.entries()) await lock.take(claims[place] as Claim, never);
    await etcd.kill();
    await etcd.start({ empty: true });
    await open().take(claim('app3', { slots: 1 }), never);
    await until('one has its slot again', async () => {
      const views = [await (locks[0] as FleetLock).look(never), await (locks[1] as FleetLock).look(never)];
      return views.every((view) => view.holders.length === 1);
    });
    expect(queueOf(await (locks[0] as FleetLock).look(never))).toEqual(['app3']);
  });

  test('shows that a holder that stands still is gone; one that was not freed meanwhile has its slot still', async () => {
    const clock = createPausableClock();
    const [holder, other] = [open('app', { clock }), open()];
    await holder.take(claim('app1'), never);
    clock.pause();
    await untilDead(other);
    clock.resume();
    await until('it lives again', async () => (await other.look(never)).holders[0]?.alive === true);
  });

  test('frees the slot of a holder that stands still, which does not take it again when it goes on', async () => {
    const clock = createPausableClock();
    const [holder, other] = [open('app', { clock }), open()];
    const paused = claim('app1');
    await holder.take(paused, never);
    const waits = claim('app2');
    await other.take(waits, never);
    clock.pause();
    expect(await other.free(await untilDead(other), never)).toBe(true);
    expect(nodesOf(await other.take(waits, never))).toEqual(['app2']);
    clock.resume();
    await log.next(({ message }) => /lease .* ran out/.test(message));
    expect(nodesOf(await holder.look(never))).toEqual(['app2']);
    expect(await refusalOf(() => holder.mark(paused, 'failed', 'x', never))).toMatchObject({
      code: 'failed',
    });
    await other.give(waits, never);
    expect(nodesOf(await holder.look(never))).toEqual([]);
  });

  test('frees no slot whose holder has said that it lives since it was read', async () => {
    const clock = createPausableClock();
    const [holder, other] = [open('app', { clock }), open()];
    await holder.take(claim('app1'), never);
    clock.pause();
    const dead = await untilDead(other);
    clock.resume();
    await until('it lives again', async () => (await other.look(never)).holders[0]?.alive === true);
    expect(await other.free(dead, never)).toBe(false);
    const [living] = (await other.look(never)).holders;
    expect(await other.free(living as SlotHolder, never)).toBe(true);
  });

  test('keeps of a reason and of a failure what is one line of a log', async () => {
    const lock = open();
    const held = claim('app1', { reason: `two\nlines ${'x'.repeat(5000)}` });
    await lock.take(held, never);
    const { holders } = await lock.mark(held, 'failed', `no\u001b[31m start ${'y'.repeat(5000)}`, never);
    expect(holders[0]?.claim.reason).toMatch(/^two\\nlines x{900,990}$/);
    expect(holders[0]?.failure).toMatch(/^no\\u001b\[31m start y{900,990}$/);
  });

  test('does not go by the calendar', async () => {
    const clock = createShiftedClock();
    const [lock, other] = [open('app', { clock }), open()];
    const held = claim('app1');
    clock.stepCalendar(-20 * 365 * 86_400_000);
    await lock.take(held, never);
    clock.stepCalendar(40 * 365 * 86_400_000);
    await lock.take(held, never);
    expect(queueOf(await other.take(claim('app2'), never))).toEqual(['app2']);
    expect((await other.look(never)).holders).toMatchObject([{ alive: true, claim: { node: 'app1' } }]);
  });

  test('keeps pools apart, also where the name of one begins with that of the other', async () => {
    for (const pool of ['ap', 'app', 'app0', 'app-b', 'app.b']) {
      await use(pool);
      const lock = open(pool);
      const view = await lock.take(claimOf(pool, `of-${pool}`), never);
      expect([nodesOf(view), queueOf(view)]).toEqual([[`of-${pool}`], []]);
    }
  });

  test('holds to the number of slots that was lowered while they are held, and to the one that was raised again', async () => {
    const [one, two, three] = [open(), open(), open()];
    const [first, third] = [claim('app1', { slots: 2 }), claim('app3', { slots: 1 })];
    await one.take(first, never);
    await two.take(claim('app2', { slots: 2 }), never);
    await three.take(third, never);
    await one.give(first, never);
    expect(queueOf(await three.take(third, never))).toEqual(['app3']);
    const raised = await three.take({ ...third, slots: 2 }, never);
    expect(nodesOf(raised)).toEqual(['app2', 'app3']);
  });

  test('asks another endpoint when one does not answer', async () => {
    const lock = open('app', { endpoints: [`http://127.0.0.1:${await freePort()}`, etcd.url] });
    const held = claim('app1');
    expect(nodesOf(await lock.take(held, never))).toEqual(['app1']);
    // Several questions at once do not step over the one that answers.
    const views = await Promise.all(Array.from({ length: 5 }, () => lock.look(never)));
    expect(views.map(nodesOf)).toEqual(Array.from({ length: 5 }, () => ['app1']));
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

async function createRevision({ node, id }: Claim): Promise<string | undefined> {
  const key = Buffer.from(`/lastcall/app/claims/${node}/${id}`).toString('base64');
  const { kvs = [] } = (await etcd.ask('kv/range', { key })) as { kvs?: { create_revision: string }[] };
  return kvs[0]?.create_revision;
}
