import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { chmod, mkdir, readFile, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { createRotatingFile, type RotatingFile } from '../../agent/system/rotating-file.ts';
import { makeTempDir, type TempDir } from '../support/tempdir.ts';

let dir: TempDir;
let path: string;
beforeEach(async () => {
  dir = await makeTempDir();
  path = join(dir.path, 'audit', 'app1.log');
});
afterEach(() => dir.remove());

const lineFile = (maxBytes = 1_000, keep = 2): RotatingFile =>
  createRotatingFile({ path, maxBytes, keep, mode: 0o600 });
const read = (name = path): Promise<string> => readFile(name, 'utf8');

test('lines stand in the order in which they were given, in a file that only its owner reads', async () => {
  const file = lineFile();
  await Promise.all(['one', 'two', 'three'].map((line) => file.append(line)));
  expect(await read()).toBe('one\ntwo\nthree\n');
  expect((await stat(path)).mode & 0o777).toBe(0o600);
});

test('what is there already is added to', async () => {
  await lineFile().append('one');
  await lineFile().append('two');
  expect(await read()).toBe('one\ntwo\n');
});

test('a file that would grow too big gives way, and of the old ones the last two are kept', async () => {
  const file = lineFile(10);
  for (const line of ['aaaa', 'bbbb', 'cccc', 'dddd', 'eeee', 'ffff', 'gggg']) await file.append(line);
  expect(await read()).toBe('gggg\n');
  expect(await read(`${path}.1`)).toBe('eeee\nffff\n');
  expect(await read(`${path}.2`)).toBe('cccc\ndddd\n');
  expect((await readdir(join(dir.path, 'audit'))).length).toBe(3);
  expect((await stat(path)).mode & 0o777).toBe(0o600);
});

test('a line longer than a file may be has a file of its own', async () => {
  const file = lineFile(10);
  await file.append('x'.repeat(50));
  await file.append('short');
  expect(await read(`${path}.1`)).toBe(`${'x'.repeat(50)}\n`);
  expect(await read()).toBe('short\n');
});

test('a file that another process moves away is begun anew', async () => {
  const file = lineFile();
  await file.append('one');
  await rename(path, `${path}-20260101`);
  await file.append('two');
  expect(await read()).toBe('two\n');
});

test('a line that cannot be written is an error, and the next one can', async () => {
  const file = lineFile();
  await mkdir(path, { recursive: true });
  await expect(file.append('one')).rejects.toMatchObject({ code: 'EISDIR' });
  await rm(path, { recursive: true });
  await file.append('two');
  expect(await read()).toBe('two\n');
});

test('a device is refused', async () => {
  const full = createRotatingFile({ path: '/dev/full', maxBytes: 1_000, keep: 1, mode: 0o600 });
  await expect(full.append('one')).rejects.toThrow('/dev/full is not used: it is not a regular file');
});

test('the mode of a file that is there already is its owner\u2019s affair', async () => {
  const file = lineFile();
  await file.append('one');
  await chmod(path, 0o640);
  await file.append('two');
  expect((await stat(path)).mode & 0o777).toBe(0o640);
});
