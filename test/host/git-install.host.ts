import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { messageOf } from '../../agent/system/error.ts';
import { packageRoot } from '../support/sample.ts';
import { skipped } from '../support/skip.ts';
import { makeTempDir, type TempDir } from '../support/tempdir.ts';

const execute = promisify(execFile);
let temp: TempDir;
beforeAll(async () => {
  temp = await makeTempDir();
});
afterAll(() => temp.remove());

/** Of an `npm run` around us nothing is to reach npm: the user who installs has none. */
const plain = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name)));

test('npm installs the last commit from git, with the program: it clones, installs what makes it, and packs', async () => {
  let commit: string;
  try {
    commit = (await execute('git', ['-C', packageRoot(), 'rev-parse', 'HEAD'])).stdout.trim();
  } catch (error) {
    return skipped(`this checkout is no repository of git: ${messageOf(error)}`);
  }
  await writeFile(join(temp.path, 'package.json'), '{}');
  const from = `git+file://${packageRoot().replace(/\/$/, '')}#${commit}`;
  await execute('npm', ['install', from], { cwd: temp.path, env: plain });
  const installed = join(temp.path, 'node_modules');
  const { version } = JSON.parse(await readFile(join(installed, 'lastcall', 'package.json'), 'utf8')) as {
    readonly version: string;
  };
  expect((await execute(join(installed, '.bin', 'lastcall'), ['--version'])).stdout).toBe(`${version}\n`);
  expect(await readFile(join(installed, 'lastcall', 'dist', 'man', 'lastcall.1'), 'utf8')).toContain('.TH');
});
