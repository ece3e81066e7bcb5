import { execFile } from 'node:child_process';
import { chmod, chown, mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createFileLock } from '../../agent/fleet/file-lock.ts';
import { realClock as clock } from '../../agent/system/clock.ts';
import { messageOf } from '../../agent/system/error.ts';
import { claimOf } from '../support/claim.ts';
import { never, refusalOf } from '../support/outcome.ts';
import { skipped } from '../support/skip.ts';
import { makeTempDir, type TempDir } from '../support/tempdir.ts';

/** Where the directory of a lock stands: beside what other users make, and on a disk that is full. */

const run = promisify(execFile);
const STRANGER = 60_001;

let temp: TempDir;
let path = '';
beforeEach(async () => {
  temp = await makeTempDir();
  path = join(temp.path, 'app.lock');
});
afterEach(() => temp.remove());

const open = (): ReturnType<typeof createFileLock> => createFileLock(path, 'app', { clock });
const take = (node: string): Promise<unknown> => open().take(claimOf('app', node), never);

describe('Where every user may make what is not there yet (/run/lock, /tmp)', () => {
  beforeEach(() => chmod(temp.path, 0o1777));

  test('a directory that another user made before is not believed; one of root, or of our group, is', async () => {
    if (process.getuid?.() !== 0) return skipped('only root can be several users');
    await mkdir(path);
    await chmod(path, 0o770);
    await chown(path, STRANGER, STRANGER);
    expect(await refusalOf(() => take('app1'))).toMatchObject({
      code: 'locked',
      message: expect.stringMatching(
        /app\.lock is of user 60001 and group 60001, .*every user may have made it/,
      ),
      next: expect.stringContaining('a directory of root or of a node'),
    });
    await chown(path, STRANGER, 0);
    await take('app1');
    await chown(path, 0, STRANGER);
    await take('app1');
  });

  test('nor is a link of another user followed, whatever it leads to', async () => {
    if (process.getuid?.() !== 0) return skipped('only root can be several users');
    const ours = join(temp.path, 'ours');
    await mkdir(ours, { mode: 0o770 });
    await symlink(ours, path);
    await take('app1');
    await run('chown', ['-h', `${STRANGER}:${STRANGER}`, path]);
    // Linux itself refuses it where fs.protected_symlinks is set.
    expect((await refusalOf(() => take('app2'))).message).toMatch(/EACCES|every user may have made it/);
  });

  test('without a sticky bit any user may put another one in its place', async () => {
    await take('app1');
    await chmod(temp.path, 0o777);
    expect((await refusalOf(() => take('app2'))).message).toContain('another directory in the place of');
  });
});

test('a full disk changes nothing, is named with its cure, and the lock goes on once there is room', async () => {
  const disk = join(temp.path, 'disk');
  await mkdir(disk);
  try {
    await run('mount', ['-t', 'tmpfs', '-o', 'size=64k,mode=0770', 'none', disk]);
  } catch (error) {
    return skipped(`no mount here (${messageOf(error)})`);
  }
  try {
    path = join(disk, 'app.lock');
    const held = claimOf('app', 'app1');
    await open().take(held, never);
    const ballast = join(disk, 'ballast');
    await writeFile(ballast, Buffer.alloc(1024 * 1024)).catch(() => undefined);
    for (const ask of [
      () => take('app2'),
      () => open().mark(held, 'failed', 'app-health', never),
      () => open().give(held, never),
    ])
      expect(await refusalOf(ask)).toMatchObject({
        code: 'locked',
        message: expect.stringContaining('ENOSPC'),
        next: expect.stringContaining('make room there'),
      });
    expect(await open().look(never)).toMatchObject({ holders: [{ state: 'out' }], waiters: [] });
    await rm(ballast);
    expect((await open().give(held, never)).holders).toEqual([]);
  } finally {
    await run('umount', [disk]);
  }
});
