import { expect, test, beforeEach, afterEach } from '@jest/globals';
import { execFile } from 'node:child_process';
import { chmod, mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createJournal } from '../../agent/journal/journal.ts';
import { messageOf } from '../../agent/system/error.ts';
import { skipped } from '../support/skip.ts';
import { never } from '../support/outcome.ts';
import { makeTempDir, type TempDir } from '../support/tempdir.ts';

const run = promisify(execFile);
let temp: TempDir;
let disk: string;
let mounted: boolean;

beforeEach(async () => {
  temp = await makeTempDir();
  disk = join(temp.path, 'disk');
  await mkdir(disk);
  mounted = await mount();
});
afterEach(async () => {
  if (mounted) await run('umount', [disk]);
  await temp.remove();
});

/** A file system of 64 KiB of its own. Only root may mount; elsewhere the test reports that it did not run. */
async function mount(): Promise<boolean> {
  try {
    await run('mount', ['-t', 'tmpfs', '-o', 'size=64k,mode=0700', 'none', disk]);
    return true;
  } catch (error) {
    skipped(`no mount here (${messageOf(error)})`);
    return false;
  }
}

test('A full disk is an error that names the file and asks for space; the old record stays and the next save works', async () => {
  if (!mounted) return;
  const path = join(disk, 'app1.json');
  const journal = createJournal(path, { node: 'app1' });
  await journal.save({ count: 1 });
  // Two blocks stay free: the write itself is cut short, not only refused.
  await writeFile(join(disk, 'ballast'), Buffer.alloc(52 * 1024));
  const big = { count: 2, padding: 'x'.repeat(40_000) };

  await expect(journal.save(big)).rejects.toMatchObject({
    name: 'LastcallError',
    code: 'state-write',
    target: path,
    next: expect.stringContaining('free space'),
  });
  expect((await readdir(disk)).toSorted()).toEqual(['app1.json', 'ballast']);
  expect(await createJournal(path, { node: 'app1' }).load(never)).toEqual({
    kind: 'record',
    record: { count: 1 },
  });

  await rm(join(disk, 'ballast'));
  await journal.save({ count: 3 });
  expect(await journal.load(never)).toEqual({ kind: 'record', record: { count: 3 } });
});

test('A read-only file system is an error that asks for a place to write; the record can still be read', async () => {
  if (!mounted) return;
  const path = join(disk, 'app1.json');
  const journal = createJournal(path, { node: 'app1' });
  await journal.save({ count: 1 });
  await run('mount', ['-o', 'remount,ro', disk]);
  await expect(journal.save({ count: 2 })).rejects.toMatchObject({
    code: 'state-write',
    next: expect.stringContaining('write to'),
  });
  expect(await journal.load(never)).toEqual({ kind: 'record', record: { count: 1 } });
});

test('A place where no directory can be made is an error before anything else', async () => {
  const file = join(temp.path, 'file');
  await writeFile(file, '');
  const journal = createJournal(join(file, 'app1.json'), { node: 'app1' });
  await expect(journal.save({})).rejects.toMatchObject({
    code: 'state-write',
    next: expect.stringContaining('is a directory'),
  });
  await expect(journal.load(never)).rejects.toMatchObject({
    code: 'state-write',
    target: join(file, 'app1.json'),
  });
});

test('A directory that this user may not write to is an error', async () => {
  if (process.getuid?.() === 0) {
    return skipped('root may write to any directory; the read-only file system stands in for it');
  }
  const shut = join(temp.path, 'shut');
  await mkdir(shut);
  await chmod(shut, 0o500);
  await expect(createJournal(join(shut, 'app1.json'), { node: 'app1' }).save({})).rejects.toMatchObject({
    code: 'state-write',
    next: expect.stringContaining('write to'),
  });
});
