import { writeFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { unlock } from '../../agent/engine/unlock.ts';
import { createFileLock, processOwner } from '../../agent/fleet/file-lock.ts';
import type { Claim, SlotHolder } from '../../agent/lifecycle/model/pool.ts';
import { blockedBy } from '../../agent/lifecycle/observed/pool-text.ts';
import { realClock } from '../../agent/system/clock.ts';
import { LastcallError } from '../../agent/system/error.ts';
import { lockContract } from '../contract/fleet-lock.ts';
import { claimOf } from '../support/claim.ts';
import { never, refusalOf } from '../support/outcome.ts';
import { makeTempDir, type TempDir } from '../support/tempdir.ts';
import { until } from '../support/until.ts';
import { idle } from '../support/idle-process.ts';

const clock = realClock;

lockContract('file', async (pool) => {
  const directory = await makeTempDir();
  const path = join(directory.path, 'app.lock');
  return {
    // Nodes of one process are told apart by their claims alone.
    open: async (its = clock) => createFileLock(path, pool, { clock: its }),
    async abandon(claim: Claim) {
      const process = await idle();
      await createFileLock(path, pool, { clock, owner: processOwner(process.pid) }).take(claim, never);
      await process.end();
    },
    absent: async () => createFileLock(join(directory.path, 'missing', 'app.lock'), pool, { clock }),
    close: () => directory.remove(),
  };
});

describe('The lock by a file', () => {
  let directory: TempDir;
  let path = '';
  beforeEach(async () => {
    directory = await makeTempDir();
    path = join(directory.path, 'app.lock');
  });
  afterEach(() => directory.remove());

  /** As a node does where the lock has not answered in time: a busy machine has other things to do for two seconds. */
  async function again<T>(ask: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await ask();
      } catch (error) {
        if (!(error instanceof LastcallError) || !error.message.includes('no answer within')) throw error;
      }
    }
  }

  const open = (pool = 'app'): ReturnType<typeof createFileLock> => createFileLock(path, pool, { clock });

  test('never has more holders than slots, however many ask at once, and leaves one file', async () => {
    // Nodes of one process ask in turn: each has one of its own.
    const idles = await Promise.all(Array.from({ length: 8 }, idle));
    const nodes = idles.map(({ pid }, index) => ({
      lock: createFileLock(path, 'app', { clock, owner: processOwner(pid) }),
      claim: claimOf('app', `app${index}`, { slots: 3 }),
    }));
    const most: number[] = [];
    let left = nodes.length;
    await Promise.all(
      nodes.map(async ({ lock, claim }) => {
        await until('it is its turn', async () => {
          const view = await again(() => lock.take(claim, never));
          most.push(view.holders.length);
          return view.holders.some((one) => one.claim.id === claim.id);
        });
        await again(() => lock.give(claim, never));
        left -= 1;
      }),
    );
    await Promise.all(idles.map((one) => one.end()));
    expect(left).toBe(0);
    expect(Math.max(...most)).toBe(3);
    const names = await readdir(path);
    expect(names).toHaveLength(1);
    expect(names[0]).toMatch(/^\d+$/);
  });

  test('keeps two pools in one file apart', async () => {
    const [shop, office] = [claimOf('shop', 'app1'), claimOf('office', 'app1')];
    expect((await open('shop').take(shop, never)).holders).toHaveLength(1);
    expect((await open('office').take(office, never)).holders).toHaveLength(1);
    expect((await open('shop').look(never)).holders.map(({ claim }) => claim.pool)).toEqual(['shop']);
  });

  test('a holder whose number another process has now does not live', async () => {
    const owner = { ...processOwner(process.pid), startTime: '1' };
    await createFileLock(path, 'app', { clock, owner }).take(claimOf('app', 'app1'), never);
    expect((await open().look(never)).holders).toMatchObject([{ alive: false }]);
  });

  test('a waiter that was stopped loses its place, and a holder that was stopped does not live', async () => {
    const [one, two] = [await idle(), await idle()];
    try {
      const first = createFileLock(path, 'app', { clock, owner: processOwner(one.pid) });
      const second = createFileLock(path, 'app', { clock, owner: processOwner(two.pid) });
      const held = claimOf('app', 'app1');
      await first.take(held, never);
      await second.take(claimOf('app', 'app2'), never);
      two.kill('SIGSTOP');
      await until('it is stopped', async () => (await open().look(never)).waiters.length === 0);
      const third = claimOf('app', 'app3');
      expect((await open().take(third, never)).waiters).toMatchObject([{ claim: third, position: 1 }]);
      one.kill('SIGSTOP');
      await until('it is stopped', async () => (await open().look(never)).holders[0]?.alive === false);
      const [read] = (await open().look(never)).holders;
      one.kill('SIGCONT');
      await until('it goes on', async () => (await open().look(never)).holders[0]?.alive === true);
      // Its entry has not changed; it was taken for dead, and lives.
      expect(await open().free(read as SlotHolder, never)).toBe(false);
      expect(await open().free({ ...(read as SlotHolder), alive: true }, never)).toBe(true);
    } finally {
      await one.end();
      await two.end();
    }
  });

  test('of another pid namespace it is not seen who lives: it is taken for alive, and an operator may unlock it', async () => {
    const owner = { ...processOwner(process.pid), namespace: 'pid:[4026539999]' };
    const container = createFileLock(path, 'app', { clock, owner });
    await container.take(claimOf('app', 'app1'), never);
    await container.take(claimOf('app', 'app2'), never);
    const own = claimOf('app', 'app3');
    const view = await open().take(own, never);
    expect(view.holders).toMatchObject([{ alive: true, isUnseen: true }]);
    expect(view.waiters.map(({ isUnseen }) => isUnseen)).toEqual([true, undefined]);
    expect(blockedBy('app3', own, view).message).toMatch(
      /whether its sidecar lives cannot be seen from this pid namespace: if app1 no longer exists, `lastcall unlock app1/,
    );
    const request = { reason: 'scrapped', by: 'test' };
    for (const node of ['app1', 'app2'])
      expect(await unlock(open(), { node, ...request }, never)).toMatchObject({
        code: 'done',
        message: expect.stringContaining('in another pid namespace'),
      });
    expect((await open().take(own, never)).holders).toMatchObject([{ claim: own }]);
  });

  const gone = new LastcallError('cancelled', 'not wanted any more');
  /** A question whose caller is answered while it is under way. */
  const cut = async (ask: (signal: AbortSignal) => Promise<unknown>): Promise<void> => {
    const caller = new AbortController();
    const asked = ask(caller.signal);
    caller.abort(gone);
    await expect(asked).rejects.toBe(gone);
  };
  const holdersOf = async (): Promise<string[]> =>
    (await open().look(never)).holders.map((one) => one.claim.node);

  test('does not take a slot after its caller was answered, nor behind a later give of another lock', async () => {
    const claim = claimOf('app', 'app1');
    await cut((signal) => open().take(claim, signal));
    // As after a reload: the same process, and another lock.
    expect((await open().give(claim, never)).holders).toEqual([]);
    const other = claimOf('app', 'app2');
    await open().take(other, never);
    await open().give(other, never);
    expect(await open().look(never)).toMatchObject({ holders: [], waiters: [] });
    expect((await readdir(path)).filter((name) => name.startsWith('new-'))).toEqual([]);
  });

  test('ends one question of a process before it begins the next, also where another lock asks', async () => {
    const claim = claimOf('app', 'app1');
    const [take, give] = [open().take(claim, never), open().give(claim, never)];
    expect((await take).holders).toMatchObject([{ claim }]);
    expect((await give).holders).toEqual([]);
    expect(await holdersOf()).toEqual([]);
  });

  test('does not give a slot after its caller was answered, and it was taken again', async () => {
    const claim = claimOf('app', 'app1');
    await open().take(claim, never);
    await cut((signal) => open().give(claim, signal));
    expect((await open().take(claim, never)).holders).toMatchObject([{ claim }]);
    const other = claimOf('app', 'app2');
    await open().take(other, never);
    await open().give(other, never);
    expect(await holdersOf()).toEqual(['app1']);
  });

  test('changes nothing after the deadline: by its timer, and by the clock before that', async () => {
    const claim = claimOf('app', 'app1');
    const timers: (() => void)[] = [];
    const after = (_ms: number, run: () => void): (() => void) => {
      timers.push(run);
      return () => undefined;
    };
    const asked = createFileLock(path, 'app', { clock: { ...clock, after } }).take(claim, never);
    const failed = refusalOf(() => asked);
    for (const run of timers) run();
    expect(await failed).toMatchObject({
      code: 'locked',
      message: expect.stringMatching(/no answer within/),
    });
    expect(await holdersOf()).toEqual([]);

    // Stopped while the disk worked: what it did is seen before the timers are.
    let now = 0;
    const stopped = { ...clock, after, now: () => (now += 2_001) };
    const late = await refusalOf(() => createFileLock(path, 'app', { clock: stopped }).take(claim, never));
    expect(late).toMatchObject({ code: 'locked', message: expect.stringMatching(/no answer within/) });
    expect(await holdersOf()).toEqual([]);
  });

  test('says of a slot that it freed that it is free, also where the next change came before that was seen', async () => {
    const dead = claimOf('app', 'app1');
    const process = await idle();
    await createFileLock(path, 'app', { clock, owner: processOwner(process.pid) }).take(dead, never);
    await process.end();
    let changes = 0;
    // Right before the link: what the next node makes of our version, with a number above it.
    const now = (): number => {
      changes += 1;
      if (changes === 2) writeFileSync(join(path, '3'), '{"schema":1,"holders":[],"queue":[]}');
      return clock.now();
    };
    const [holder] = (await open().look(never)).holders;
    const lock = createFileLock(path, 'app', { clock: { ...clock, now } });
    expect(await lock.free(holder as SlotHolder, never)).toBe(true);
    expect(await holdersOf()).toEqual([]);
    expect(await lock.free(holder as SlotHolder, never)).toBe(false);
  });

  test('a node that waits is not unlocked while it lives, and has no place once it has ended', async () => {
    const process = await idle();
    await open().take(claimOf('app', 'app1'), never);
    const waits = createFileLock(path, 'app', { clock, owner: processOwner(process.pid) });
    await waits.take(claimOf('app', 'app2'), never);
    const request = { node: 'app2', reason: 'scrapped', by: 'test' };
    expect(await unlock(open(), request, never)).toMatchObject({
      ok: false,
      code: 'locked',
      message: expect.stringMatching(/waits at place 1 in the queue/),
    });
    await process.end();
    expect(await unlock(open(), request, never)).toMatchObject({ ok: true, code: 'done' });
    expect((await open().look(never)).waiters).toEqual([]);
  });
});
