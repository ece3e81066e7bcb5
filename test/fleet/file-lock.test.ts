import { chmod, chown, mkdir, readdir, symlink, truncate, writeFile } from 'node:fs/promises';
import { once } from 'node:events';
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createFileLock, processOwner } from '../../agent/fleet/file-lock.ts';
import type { Claim } from '../../agent/lifecycle/model/pool.ts';
import { realClock } from '../../agent/system/clock.ts';
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

  const open = (pool = 'app'): ReturnType<typeof createFileLock> => createFileLock(path, pool, { clock });

  test('never has more holders than slots, however many ask at once, and leaves one file', async () => {
    const nodes = Array.from({ length: 8 }, (_none, index) => ({
      lock: open(),
      claim: claimOf('app', `app${index}`, { slots: 3 }),
    }));
    const most: number[] = [];
    let left = nodes.length;
    await Promise.all(
      nodes.map(async ({ lock, claim }) => {
        await until('it is its turn', async () => {
          const view = await lock.take(claim, never);
          most.push(view.holders.length);
          return view.holders.some((one) => one.claim.id === claim.id);
        });
        await lock.give(claim, never);
        left -= 1;
      }),
    );
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
      one.kill('SIGCONT');
      await until('it goes on', async () => (await open().look(never)).holders[0]?.alive === true);
    } finally {
      await one.end();
      await two.end();
    }
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
});
