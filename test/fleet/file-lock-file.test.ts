import { randomUUID } from 'node:crypto';
import { chmod, chown, mkdir, readdir, symlink, truncate, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createFileLock, processOwner } from '../../agent/fleet/file-lock.ts';
import type { Claim } from '../../agent/lifecycle/model/pool.ts';
import { realClock } from '../../agent/system/clock.ts';
import { skipped } from '../support/skip.ts';
import { claimOf } from '../support/claim.ts';
import { never, refusalOf } from '../support/outcome.ts';
import { makeTempDir, type TempDir } from '../support/tempdir.ts';

/** What is in the file of a lock, who may write it, and what is left of a process that was killed. */

const clock = realClock;

describe('The lock by a file', () => {
  let directory: TempDir;
  let path = '';
  beforeEach(async () => {
    directory = await makeTempDir();
    path = join(directory.path, 'app.lock');
  });
  afterEach(() => directory.remove());

  const open = (pool = 'app'): ReturnType<typeof createFileLock> => createFileLock(path, pool, { clock });

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

  test('is shared by users whose common group may write to it, whatever their first group and umask', async () => {
    if (process.getuid?.() !== 0) return skipped('only root can be several users');
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
  });

  test('is not fooled by a version of one that was held up', async () => {
    const first = claimOf('app', 'app1');
    await open().take(first, never);
    await open().give(first, never);
    await open().take(claimOf('app', 'app2'), never);
    // What was removed since is free again.
    await writeFile(join(path, '1'), '{}');
    expect((await open().look(never)).holders.map(({ claim }) => claim.node)).toEqual(['app2']);
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
});
