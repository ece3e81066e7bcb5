import { describe, expect, test } from '@jest/globals';
import type { FleetLock } from '../../agent/fleet/lock.ts';
import type { Claim, SlotHolder } from '../../agent/lifecycle/model/pool.ts';
import { LastcallError } from '../../agent/system/error.ts';
import { never, refusalOf } from '../support/outcome.ts';
import { createPausableClock } from '../support/pausable-clock.ts';
import { freePort } from '../support/ports.ts';
import { skipped } from '../support/skip.ts';
import { until } from '../support/until.ts';
import { claim, etcd, found, log, nodesOf, open, queueOf, useEtcd } from '../support/etcd-lock.ts';

const untilDead = (lock: FleetLock): Promise<SlotHolder> =>
  until('its lease runs out', async () => (await lock.look(never)).holders.find(({ alive }) => !alive));

const missing = 'missing' in found ? found.missing : null;
if (missing !== null) test('etcd is here', () => skipped(missing));

(missing === null ? describe : describe.skip)('The lock by etcd', () => {
  useEtcd();

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

  test('frees no slot whose holder has renewed its sign of life since it was read', async () => {
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
});

async function createRevision({ node, id }: Claim): Promise<string | undefined> {
  const key = Buffer.from(`/lastcall/app/claims/${node}/${id}`).toString('base64');
  const { kvs = [] } = (await etcd.ask('kv/range', { key })) as { kvs?: { create_revision: string }[] };
  return kvs[0]?.create_revision;
}
