import { transformSync } from '@swc/core';
import { cp, mkdtemp, readFile, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** One fault put into the lifecycle on purpose: the campaign has to find it. */
export interface Mutant {
  /** What the faulty code does. */
  readonly name: string;
  /** The invariant or the level that it breaks: `I7`, `gate`. */
  readonly breaks: string;
  /** Below agent/lifecycle. */
  readonly file: string;
  /** Stands there exactly once. */
  readonly find: string;
  readonly replace: string;
}

/** How often the text that it replaces stands in the file, which is right once. */
export async function placesOf(root: string, { file, find }: Mutant): Promise<number> {
  return (await readFile(sourceOf(root, file), 'utf8')).split(find).length - 1;
}

/**
 * A copy of the build with that one fault in it.
 * @param root the directory of package.json, with a build in dist
 * @returns the copy's directory, which the caller removes
 */
export async function mutated(root: string, mutant: Mutant): Promise<string> {
  const copy = await mkdtemp(join(tmpdir(), 'lastcall-mutant-'));
  await cp(join(root, 'package.json'), join(copy, 'package.json'));
  for (const part of ['agent', 'test/support/wide', 'test/support/world'])
    await cp(join(root, 'dist', part), join(copy, part), { recursive: true });
  const source = await readFile(sourceOf(root, mutant.file), 'utf8');
  const built = join(copy, 'agent/lifecycle', mutant.file.replace(/\.ts$/, '.js'));
  await writeFile(built, compiled(source.replace(mutant.find, () => mutant.replace)));
  return copy;
}

/**
 * Makes a program of such a copy, which runs from its files as the bundle does not.
 * @param root the directory of package.json
 * @returns its lastcall.mjs, inside of the copy
 */
export async function programOf(copy: string, root: string): Promise<string> {
  await symlink(join(root, 'node_modules'), join(copy, 'node_modules'));
  const program = join(copy, 'lastcall.mjs');
  // What the bundle has built in.
  await writeFile(program, `globalThis.LASTCALL_VERSION = '0.1.0';\nawait import('./agent/main.js');\n`);
  return program;
}

function sourceOf(root: string, file: string): string {
  return join(root, 'agent/lifecycle', file);
}

/** As the build does it: types away, and imports of what was built. */
function compiled(source: string): string {
  const { code } = transformSync(source, {
    swcrc: false,
    jsc: { parser: { syntax: 'typescript' }, target: 'es2023' },
    module: { type: 'es6' },
  });
  return code.replaceAll(/(\bfrom\s+["'][^"']+)\.ts(["'])/g, '$1.js$2');
}
