import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { errnoOf, messageOf } from '../../agent/system/error.ts';
import { packageRoot } from './sample.ts';

const execute = promisify(execFile);
const PATIENCE_MS = 120_000;

/** The unpacked files, or why there are none. */
export type Unpacked = { readonly root: string } | { readonly missing: string };

/**
 * Unpacks packages of Debian into a directory of their own, without installing them: nothing starts, no root is
 * needed. It is kept in node_modules/.cache, so only the first run downloads.
 * @param name of the directory
 * @param needed a file that must be there afterwards, below the root
 */
export async function unpackDebian(
  name: string,
  packages: readonly string[],
  needed: string,
): Promise<Unpacked> {
  const cache = join(packageRoot(), 'node_modules', '.cache', 'debian');
  const root = join(cache, name);
  if (await exists(join(root, needed))) return { root };
  await mkdir(cache, { recursive: true });
  const work = await mkdtemp(join(cache, `${name}-`));
  try {
    await download(packages, work);
    for (const file of await readdir(work)) {
      if (file.endsWith('.deb')) await execute('dpkg', ['-x', join(work, file), join(work, 'root')]);
    }
    if (!(await exists(join(work, 'root', needed)))) return { missing: `the packages have no ${needed}` };
    await moveInto(join(work, 'root'), root);
    return { root };
  } catch (error) {
    return { missing: messageOf(error).replaceAll(/\s+/g, ' ').slice(0, 300) };
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** A machine that never updated its lists knows no package. */
async function download(packages: readonly string[], into: string): Promise<void> {
  const get = (): Promise<unknown> =>
    execute('apt-get', ['download', ...packages], { cwd: into, timeout: PATIENCE_MS });
  try {
    await get();
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') throw error;
    await execute('apt-get', ['update', '-qq'], { timeout: PATIENCE_MS });
    await get();
  }
}

/** Two test files may be at it at once: the first one wins, and both have the same. */
async function moveInto(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
  } catch (error) {
    if (!['ENOTEMPTY', 'EEXIST'].includes(errnoOf(error) ?? '')) throw error;
  }
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
