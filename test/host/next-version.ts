import { execFile } from 'node:child_process';
import { cp, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { packageRoot } from '../support/sample.ts';

const execute = promisify(execFile);

/** The version of package.json. */
export async function ownVersion(): Promise<string> {
  const { version } = JSON.parse(await readFile(join(packageRoot(), 'package.json'), 'utf8')) as {
    readonly version: string;
  };
  return version;
}

/**
 * Copies the sources as another version, so that each part of the program has another name, and builds them.
 * @param work a directory that has no `next` yet
 * @returns the copy's directory
 */
export async function buildAs(version: string, work: string): Promise<string> {
  const root = packageRoot();
  const copy = join(work, 'next');
  const made = new Set(['.git', 'dist', 'node_modules'].map((name) => join(root, name)));
  await mkdir(copy);
  await cp(root, copy, { recursive: true, filter: (from) => !made.has(from) });
  await symlink(join(root, 'node_modules'), join(copy, 'node_modules'));
  const file = join(copy, 'package.json');
  const text = await readFile(file, 'utf8');
  await writeFile(file, text.replace(/"version": "[^"]+"/, `"version": "${version}"`));
  await execute(process.execPath, [join(copy, 'test', 'prepare.mjs'), '--package']);
  return copy;
}
