import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { unlock } from '../../agent/engine/unlock.ts';
import type { FleetLock } from '../../agent/fleet/lock.ts';
import type { Claim, PoolView } from '../../agent/lifecycle/model/pool.ts';
import type { Clock } from '../../agent/system/clock.ts';
import { LastcallError } from '../../agent/system/error.ts';
import { never, refusalOf } from '../support/outcome.ts';
import { until } from '../support/until.ts';
import { claimOf } from '../support/claim.ts';
import { createShiftedClock } from '../support/shifted-clock.ts';

/** The same driver at one lock: as many nodes as are asked for, one whose process has ended, and a lock that is not there. */
export interface LockWorld {
  /** The driver of another node, with the machine's clock or with one of its own. */
  open(clock?: Clock): Promise<FleetLock>;
  /** Takes a slot, or a place in the queue, in a process that ends before this does, with no word to anyone. */
  abandon(claim: Claim): Promise<void>;
  /** A driver whose lock cannot be reached. */
  absent(): Promise<FleetLock>;
  close(): Promise<void>;
}

const YEAR_MS = 365 * 86_400_000;

const nodesOf = ({ holders }: PoolView): string[] => holders.map(({ claim }) => claim.node);
const queueOf = ({ waiters }: PoolView): string[] => waiters.map(({ claim }) => claim.node);

/** What every driver of a lock promises (agent/fleet/lock.ts). */
export function lockContract(name: string, create: (pool: string) => Promise<LockWorld>): void {
  describe(`a lock by ${name}`, () => {
    let world: LockWorld;
    const opened: FleetLock[] = [];
    const node = async (clock?: Clock): Promise<FleetLock> => {
      const lock = await world.open(clock);
      opened.push(lock);
      return lock;
    };
    let pool = '';
    let pools = 0;
    const claim = (who: string, changes: Partial<Claim> = {}): Claim => claimOf(pool, who, changes);

    const scene = (title: string, run: () => Promise<void>): void => {
      describe(title, () => {
        beforeAll(async () => {
          pools += 1;
          pool = `pool${pools}`;
          world = await create(pool);
        });
        afterAll(async () => {
          for (const lock of opened.splice(0)) await lock.close();
          await world.close();
        });
        test('holds', run);
      });
    };

    scene('gives one slot to one of two, and to the other once it is given back', async () => {
      const [one, two] = [await node(), await node()];
      const [first, second] = [claim('app1', { reason: 'deploy 41' }), claim('app2')];
      const taken = await one.take(first, never);
      expect(nodesOf(taken)).toEqual(['app1']);
      expect(taken.holders[0]).toMatchObject({ claim: first, state: 'out', failure: null, alive: true });
      const waits = await two.take(second, never);
      expect([nodesOf(waits), queueOf(waits)]).toEqual([['app1'], ['app2']]);
      expect(waits.waiters[0]).toMatchObject({ claim: second, position: 1 });
      expect(queueOf(await two.take(second, never))).toEqual(['app2']);
      expect(nodesOf(await one.give(first, never))).toEqual([]);
      expect(nodesOf(await one.give(first, never))).toEqual([]);
      const turn = await two.take(second, never);
      expect([nodesOf(turn), queueOf(turn)]).toEqual([['app2'], []]);
      expect(nodesOf(await one.look(never))).toEqual(['app2']);
    });

    scene('gives each of many at once no more than there are, and in the order of the queue', async () => {
      const nodes = await Promise.all(Array.from({ length: 5 }, () => node()));
      const claims = nodes.map((_lock, index) => claim(`app${index}`, { slots: 2 }));
      await Promise.all(nodes.map((lock, index) => lock.take(claims[index] as Claim, never)));
      const out: string[] = [];
      const lockOf = (who: string): number => claims.findIndex((one) => one.node === who);
      for (let left = claims.length; left > 0; left -= 1) {
        const view = await (nodes[0] as FleetLock).look(never);
        expect(view.holders).toHaveLength(Math.min(2, left));
        const next = view.waiters[0]?.claim.node;
        const [gives = ''] = nodesOf(view);
        out.push(gives);
        await (nodes[lockOf(gives)] as FleetLock).give(claims[lockOf(gives)] as Claim, never);
        await Promise.all(
          view.waiters.map(({ claim: waits }) => (nodes[lockOf(waits.node)] as FleetLock).take(waits, never)),
        );
        // Not of what they were told: the last one of the queue may have been answered before the first one.
        if (next !== undefined) expect(nodesOf(await (nodes[0] as FleetLock).look(never))).toContain(next);
      }
      expect(out.toSorted()).toEqual(claims.map((one) => one.node));
    });

    scene('holds nodes that disagree to the smallest number', async () => {
      const [one, two] = [await node(), await node()];
      await one.take(claim('app1', { slots: 3, brake: 2 }), never);
      const view = await two.take(claim('app2', { slots: 1, brake: 4 }), never);
      expect(view).toMatchObject({ slots: 1, brake: 2 });
      expect(queueOf(view)).toEqual(['app2']);
    });

    scene('keeps the mark of a holder, and gives no slot beyond the brake', async () => {
      const [one, two] = [await node(), await node()];
      const failing = claim('app1', { slots: 2 });
      await one.take(failing, never);
      const marked = await one.mark(failing, 'failed', 'app-health: it did not start', never);
      expect(marked.holders[0]).toMatchObject({ state: 'failed', failure: 'app-health: it did not start' });
      const waits = claim('app2', { slots: 2 });
      expect(queueOf(await two.take(waits, never))).toEqual(['app2']);
      await one.mark(failing, 'soaking', null, never);
      expect(nodesOf(await two.take(waits, never)).toSorted()).toEqual(['app1', 'app2']);
    });

    scene('writes the servers that a node has now into the slot that it holds', async () => {
      const [one, two] = [await node(), await node()];
      const before = claim('app1', { servers: { lb1: ['app/app1'] } });
      await one.take(before, never);
      const [read] = (await two.look(never)).holders;
      const now = { ...before, servers: { lb1: ['web/app1'], lb2: ['web/app1'] } };
      expect((await one.take(now, never)).holders[0]?.claim).toEqual(now);
      expect((await two.look(never)).holders[0]?.claim).toEqual(now);
      // What was judged by the servers of before frees nothing.
      expect(await two.free({ ...(read as NonNullable<typeof read>), alive: true }, never)).toBe(false);
      expect(nodesOf(await two.look(never))).toEqual(['app1']);
      // With a mark, too.
      await one.mark(now, 'soaking', null, never);
      expect((await one.mark(before, 'soaking', null, never)).holders[0]?.claim).toEqual(before);
      expect((await two.look(never)).holders[0]).toMatchObject({ claim: before, state: 'soaking' });
    });

    scene('refuses to mark a slot that is not held', async () => {
      const lock = await node();
      expect(await refusalOf(() => lock.mark(claim('app1'), 'failed', 'x', never))).toMatchObject({
        code: 'failed',
      });
    });

    scene(
      'keeps the slot of a process that has ended, and shows that; the next one takes it over',
      async () => {
        const dead = claim('app1');
        await world.abandon(dead);
        const lock = await node();
        await until('its end is seen', async () => (await lock.look(never)).holders[0]?.alive === false);
        const waits = await lock.take(claim('app2'), never);
        expect([nodesOf(waits), queueOf(waits)]).toEqual([['app1'], ['app2']]);
        const again = await node();
        const taken = await again.take(dead, never);
        expect(taken.holders).toMatchObject([{ claim: { id: dead.id }, alive: true }]);
      },
    );

    scene('ends the place in the queue with its process', async () => {
      const lock = await node();
      const first = claim('app1');
      await lock.take(first, never);
      await world.abandon(claim('app2'));
      await until('its place is given up', async () => (await lock.look(never)).waiters.length === 0);
    });

    scene('frees the slot of another by comparison alone', async () => {
      const dead = claim('app1');
      await world.abandon(dead);
      const lock = await node();
      const [read] = (await lock.look(never)).holders;
      const again = await node();
      await again.take(dead, never);
      await again.mark(dead, 'failed', 'it came back meanwhile', never);
      expect(await lock.free(read as NonNullable<typeof read>, never)).toBe(false);
      const [now] = (await lock.look(never)).holders;
      expect(now).toMatchObject({ state: 'failed' });
      expect(await lock.free(now as NonNullable<typeof now>, never)).toBe(true);
      expect((await lock.look(never)).holders).toEqual([]);
      expect(await lock.free(now as NonNullable<typeof now>, never)).toBe(false);
    });

    scene('frees by `unlock` the slot of a node whose process has ended, and of no other one', async () => {
      await world.abandon(claim('app1', { slots: 2 }));
      const [lock, living] = [await node(), await node()];
      await living.take(claim('app2', { slots: 2 }), never);
      await living.take(claim('app3', { slots: 2 }), never);
      const free = (who: string): ReturnType<typeof unlock> =>
        unlock(lock, { node: who, reason: 'scrapped', by: 'test' }, never);
      await until('app1 does not live', async () => (await lock.look(never)).holders[0]?.alive === false);
      expect(await free('app2')).toMatchObject({ ok: false, code: 'locked' });
      const waits = { ok: false, code: 'locked', message: expect.stringContaining('place 1 in the queue') };
      expect(await free('app3')).toMatchObject(waits);
      expect(await free('app1')).toMatchObject({ ok: true, code: 'done' });
      expect(nodesOf(await lock.look(never))).toEqual(['app2']);
      expect(await free('app1')).toMatchObject({ ok: true, code: 'done' });
    });

    scene('is kept by a driver that is closed', async () => {
      const [one, two] = [await node(), await node()];
      const held = claim('app1');
      await one.take(held, never);
      await one.close();
      expect(nodesOf(await two.look(never))).toEqual(['app1']);
    });

    scene(
      'does not go by the calendar: it is set by years while one holds its slot and others wait',
      async () => {
        const clocks = [createShiftedClock(), createShiftedClock(), createShiftedClock()] as const;
        const [one, two, three] = await Promise.all(clocks.map(node));
        if (!one || !two || !three) throw new Error('three nodes');
        const [held, waits, later] = [claim('app1'), claim('app2'), claim('app3')];
        clocks[0].stepCalendar(-20 * YEAR_MS);
        await one.take(held, never);
        await two.take(waits, never);
        await three.take(later, never);
        for (const years of [40, -60]) {
          for (const [place, clock] of clocks.entries()) clock.stepCalendar((place - 1) * years * YEAR_MS);
          // Each node writes anew what it has, by its own calendar.
          await one.mark(held, years > 0 ? 'soaking' : 'out', null, never);
          await three.take(later, never);
          const view = await two.take(waits, never);
          expect([nodesOf(view), queueOf(view)]).toEqual([['app1'], ['app2', 'app3']]);
          expect(view.holders[0]).toMatchObject({ alive: true });
          const request = { node: 'app1', reason: 'its times are of another century', by: 'test' };
          expect(await unlock(two, request, never)).toMatchObject({ ok: false, code: 'locked' });
        }
        await one.give(held, never);
        expect(nodesOf(await three.take(later, never))).toEqual([]);
        expect(nodesOf(await two.take(waits, never))).toEqual(['app2']);
      },
    );

    scene('stamps a view with a time before it was read', async () => {
      const lock = await node();
      const first = await lock.take(claim('app1'), never);
      const second = await lock.look(never);
      expect(second.begun).toBeGreaterThanOrEqual(first.begun);
    });

    scene('is `locked`, with its name and the next step, where it cannot be reached', async () => {
      const lock = await world.absent();
      for (const ask of [() => lock.take(claim('app1'), never), () => lock.look(never)]) {
        const error = await refusalOf(ask);
        expect(error).toMatchObject({ code: 'locked', target: expect.any(String), next: expect.any(String) });
        expect(error.elapsedMs).toBeGreaterThanOrEqual(0);
      }
      await lock.close();
    });

    scene('ends with the reason when it is aborted', async () => {
      const lock = await node();
      const reason = new LastcallError('cancelled', 'not wanted any more');
      await expect(lock.take(claim('app1'), AbortSignal.abort(reason))).rejects.toBe(reason);
    });
  });
}
