import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdir, readdir, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
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

/** What a process of the lock's group may put into its directory, by malice or by mistake: it is named, or it harms nothing. */

const run = promisify(execFile);
const LAST = '999999999999999';

let temp: TempDir;
let path = '';
beforeEach(async () => {
  temp = await makeTempDir();
  path = join(temp.path, 'app.lock');
  await open().take(claimOf('app', 'app1'), never);
});
afterEach(() => temp.remove());

const open = (): ReturnType<typeof createFileLock> => createFileLock(path, 'app', { clock });
const nodes = async (): Promise<string[]> =>
  (await open().look(never)).holders.map(({ claim }) => claim.node);

describe('A version of another hand that comes after ours is `locked`, names the file and its removal, after which the lock goes on', () => {
  const empty = '{"schema":1,"holders":[],"queue":[]}';
  const cases: [string, string, (file: string) => Promise<unknown>][] = [
    ['the highest number, as lastcall writes it', LAST, (file) => writeFile(file, empty)],
    ['the highest number, empty', LAST, (file) => writeFile(file, '')],
    ['a directory', '7', (file) => mkdir(file)],
    ['a pipe', '7', (file) => run('mkfifo', [file])],
    ['a link to nowhere', '7', (file) => symlink('/nowhere', file)],
    ['a link to a device', '7', (file) => symlink('/dev/zero', file)],
    ['bytes that are no text', '7', (file) => writeFile(file, Buffer.alloc(4_096, 0xff))],
  ];
  test.each(cases)('%s', async (_title, number, put) => {
    const file = join(path, number);
    await put(file);
    for (const ask of [() => open().look(never), () => open().take(claimOf('app', 'app2'), never)])
      expect(await refusalOf(ask)).toMatchObject({
        code: 'locked',
        target: path,
        message: expect.stringContaining(file),
        next: expect.stringContaining(`remove ${file} once no node of its pools is out`),
      });
    await rm(file, { recursive: true });
    expect(await nodes()).toEqual(['app1']);
  });

  test('a socket', async () => {
    const file = join(path, '7');
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(file, resolve));
    const error = await refusalOf(() => open().look(never));
    expect([error.code, error.next]).toEqual(['locked', expect.stringContaining(`remove ${file}`)]);
    await new Promise((resolve) => server.close(resolve));
  });
});

test('what is no file among the leftovers fails no change', async () => {
  await open().take(claimOf('app', 'app2'), never);
  const [low, left] = [join(path, '1'), join(path, `new-${randomUUID()}`)];
  for (const directory of [low, left]) {
    await mkdir(directory, { recursive: true });
    const before = new Date(Date.now() - 10 * 60_000);
    await utimes(directory, before, before);
  }
  const third = claimOf('app', 'app3', { slots: 3 });
  expect((await open().take(third, never)).waiters.map(({ claim }) => claim.node)).toEqual(['app2', 'app3']);
  expect((await open().give(third, never)).waiters.map(({ claim }) => claim.node)).toEqual(['app2']);
});

test('thousands of leftovers do not make a change late, and are removed by those that follow', async () => {
  const before = new Date(Date.now() - 10 * 60_000);
  for (let count = 0; count < 3_000; count += 1) {
    const file = join(path, `new-${randomUUID()}`);
    await writeFile(file, '');
    await utimes(file, before, before);
  }
  const claim = claimOf('app', 'app2');
  await open().take(claim, never);
  const left = (await readdir(path)).length;
  expect(left).toBeLessThan(3_000);
  await open().give(claim, never);
  expect((await readdir(path)).length).toBeLessThan(left);
});

test('a file system that became read-only is named with what to look at, and is still read', async () => {
  const disk = join(temp.path, 'disk');
  await mkdir(disk);
  try {
    await run('mount', ['-t', 'tmpfs', '-o', 'mode=0770', 'none', disk]);
  } catch (error) {
    return skipped(`no mount here (${messageOf(error)})`);
  }
  try {
    path = join(disk, 'app.lock');
    await open().take(claimOf('app', 'app1'), never);
    await run('mount', ['-o', 'remount,ro', disk]);
    expect(await refusalOf(() => open().take(claimOf('app', 'app2'), never))).toMatchObject({
      code: 'locked',
      message: expect.stringContaining('EROFS'),
      next: expect.stringContaining('see to its file system'),
    });
    expect(await nodes()).toEqual(['app1']);
  } finally {
    await run('umount', [disk]);
  }
});
