import { randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { chmod, chown, mkdir, readdir, symlink, truncate, utimes, writeFile } from 'node:fs/promises';
import { once } from 'node:events';
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { unlock } from '../../agent/engine/unlock.ts';
import { createFileLock, processOwner } from '../../agent/fleet/file-lock.ts';
import { viewOf } from '../../agent/fleet/pool-queue.ts';
import type { Claim, SlotHolder } from '../../agent/lifecycle/model/pool.ts';
import { NEW_SLOT } from '../../agent/lifecycle/model/slot.ts';
import { blockedBy, slotWaitText } from '../../agent/lifecycle/observed/pool-text.ts';
import { realClock } from '../../agent/system/clock.ts';
import { LastcallError } from '../../agent/system/error.ts';
import { lockContract } from '../contract/fleet-lock.ts';
import { claimOf } from '../support/claim.ts';
import { never, refusalOf } from '../support/outcome.ts';
import { makeTempDir, type TempDir } from '../support/tempdir.ts';
import { until } from '../support/until.ts';

const clock = realClock;

/** A process that does nothing until it is ended. */
async function idle(): Promise<{
  readonly pid: number;
  kill(signal: NodeJS.Signals): void;
  end(): Promise<void>;
}> {
  const child = spawn('sleep', ['600'], { stdio: 'ignore' });
  await once(child, 'spawn');
  const ended = once(child, 'exit');
  return {
    pid: child.pid ?? 0,
    kill: (signal) => void child.kill(signal),
    async end() {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

lockContract('file', async (pool) => {
  const directory = await makeTempDir();
  const path = join(directory.path, 'app.lock');
  return {
    // Nodes of one process are told apart by their claims alone.
    open: async () => createFileLock(path, pool, { clock }),
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

  test('is `locked` and names the file where something else has written it', async () => {
    await open().take(claimOf('app', 'app1'), never);
    const wrong: [string, (file: string) => Promise<void>][] = [
      ['no JSON', (file) => writeFile(file, '{"schema":1,')],
      ['another schema', (file) => writeFile(file, '{"schema":2,"holders":[],"queue":[]}')],
      [
        'a claim that forges a line',
        (file) =>
          writeFile(
            file,
            JSON.stringify({
              schema: 1,
              holders: [],
              queue: [{ claim: claimOf('app', 'a\nb'), owner: processOwner(1), since: 0 }],
            }),
          ),
      ],
      [
        'a server that is a command',
        (file) =>
          writeFile(
            file,
            JSON.stringify({
              schema: 1,
              holders: [],
              queue: [
                {
                  claim: claimOf('app', 'app9', { servers: { lb: ['app/app1; shutdown'] } }),
                  owner: processOwner(1),
                  since: 0,
                },
              ],
            }),
          ),
      ],
      ['too long', (file) => truncate(file, 2 * 1024 * 1024)],
    ];
    let number = 1;
    for (const [, write] of wrong) {
      number += 1;
      const file = join(path, String(number));
      await writeFile(file, '');
      await write(file);
      const error = await refusalOf(() => open().take(claimOf('app', 'app2'), never));
      expect(error).toMatchObject({ code: 'locked', message: expect.stringContaining(file) });
    }
    await symlink('/dev/zero', join(path, String(number + 1)));
    expect((await refusalOf(() => open().look(never))).code).toBe('locked');
  });

  test('is not taken where every user may write', async () => {
    await mkdir(path);
    await chmod(path, 0o777);
    const error = await refusalOf(() => open().take(claimOf('app', 'app1'), never));
    expect(error.message).toMatch(/every user may write to/);
    expect(await readdir(path)).toEqual([]);
  });

  const asRoot = process.getuid?.() === 0 ? test : test.skip;
  asRoot(
    'is shared by users whose common group may write to it, whatever their first group and umask',
    async () => {
      const { setegid, seteuid, setgroups } = process as Required<
        Pick<NodeJS.Process, 'setegid' | 'seteuid' | 'setgroups'>
      >;
      const [before, common] = [process.getgroups?.() ?? [], 60_100];
      await chmod(directory.path, 0o755);
      await mkdir(path, { mode: 0o770 });
      await chown(path, 0, common);
      await chmod(path, 0o770);
      const umask = process.umask(0o077);
      /** Node's file system runs in threads: the ids are those of all of them. */
      const as = async <T>(uid: number, groups: number[], work: () => Promise<T>): Promise<T> => {
        setgroups(groups);
        setegid(uid);
        seteuid(uid);
        try {
          return await work();
        } finally {
          seteuid(0);
          setegid(0);
          setgroups(before);
        }
      };
      try {
        const [one, two] = [claimOf('app', 'app1'), claimOf('app', 'app2')];
        const [first, second] = [open(), open()];
        await as(60_001, [common], () => first.take(one, never));
        const waits = await as(60_002, [common], () => second.take(two, never));
        expect(waits).toMatchObject({ holders: [{ claim: one, alive: true }], waiters: [{ claim: two }] });
        await as(60_001, [common], () => first.give(one, never));
        expect(await as(60_002, [common], () => second.take(two, never))).toMatchObject({
          holders: [{ claim: two }],
        });
        const outside = await refusalOf(() => as(60_003, [], () => open().look(never)));
        expect(outside).toMatchObject({ code: 'locked', message: expect.stringMatching(/EACCES/) });
      } finally {
        process.umask(umask);
      }
    },
  );

  test('is not fooled by a version of one that was held up', async () => {
    const first = claimOf('app', 'app1');
    await open().take(first, never);
    await open().give(first, never);
    await open().take(claimOf('app', 'app2'), never);
    // What was removed since is free again.
    await writeFile(join(path, '1'), '{}');
    expect((await open().look(never)).holders.map(({ claim }) => claim.node)).toEqual(['app2']);
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

  test('writes nothing that is too long to be read, and what is there stays usable', async () => {
    const servers = {
      'tcp://127.0.0.1:1': Array.from({ length: 1_000 }, (_none, index) => `${'b'.repeat(60)}/app${index}`),
    };
    const claims = Array.from({ length: 20 }, (_none, index) => claimOf('app', `app${index}`, { servers }));
    const error = await refusalOf(async () => {
      for (const claim of claims) await open().take(claim, never);
    });
    expect(error).toMatchObject({ code: 'locked', target: path });
    expect(error.message).toMatch(/would need \d+ bytes, and nodes read 1048576 at most/);
    const [first] = claims;
    expect((await open().give(first as Claim, never)).holders).toEqual([]);
    expect((await open().take(claims[1] as Claim, never)).holders).toMatchObject([
      { claim: { node: 'app1' } },
    ]);
  });

  test('removes what a process left that was killed while it wrote, and not what one writes now', async () => {
    await mkdir(path, { mode: 0o770 });
    const [left, young] = [`new-${randomUUID()}`, `new-${randomUUID()}`];
    for (const name of [left, young]) await writeFile(join(path, name), '');
    const before = new Date(Date.now() - 10 * 60_000);
    await utimes(join(path, left), before, before);
    await open().take(claimOf('app', 'app1'), never);
    expect((await readdir(path)).toSorted()).toEqual(['1', young]);
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

test('The words of a claim that waits name those before it alone, and no more than five', () => {
  const claims = Array.from({ length: 12 }, (_none, index) => claimOf('app', `app${index}`));
  const [held, ...queue] = claims as [Claim, ...Claim[]];
  const holder = { claim: held, state: 'out', failure: null, since: 0, alive: true, revision: '1' } as const;
  const view = viewOf(
    0,
    [holder],
    queue.map((claim) => ({ claim, since: 0 })),
  );
  const words = (place: number): string =>
    blockedBy('app', queue[place] as Claim, view).message.replace(/^.*before it in the queue: /, '');
  expect(blockedBy('app', queue[0] as Claim, view).message).not.toMatch(/before it/);
  expect(words(2)).toMatch(/^app1, app2; ask again/);
  expect(words(10)).toMatch(/^app1, app2, app3, app4, app5 and 5 more; ask again/);
});

test('What status says of a waiting claim names no more than five holders', () => {
  const holders = Array.from({ length: 8 }, (_none, index) => {
    const claim = claimOf('app', `app${index}`);
    return { claim, state: 'out', failure: null, since: 0, alive: true, revision: '1' } as const;
  });
  const claim = claimOf('app', 'app9');
  const view = viewOf(0, holders, [{ claim, since: 0 }]);
  const lines = slotWaitText({ ...NEW_SLOT, claim, lock: [], save: 0, is: 'waits', view });
  expect(lines).toHaveLength(7);
  expect(lines[0]).toBe('a slot of pool app, place 1 in the queue');
  expect(lines.at(-1)).toBe('and 3 more');
});
