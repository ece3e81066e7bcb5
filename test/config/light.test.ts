import { expect, test } from '@jest/globals';
import { readFile } from 'node:fs/promises';

/** Every module that loading this one loads too; imports of types and imports made later do not count. */
async function loadedBy(file: URL, seen = new Set<string>()): Promise<Set<string>> {
  const text = await readFile(file, 'utf8');
  for (const [, name = ''] of text.matchAll(/^(?:import|export) (?!type )[^;]*? from '([^']+)';/gms)) {
    const module = name.startsWith('.') ? new URL(name, file).href : name;
    if (seen.has(module)) continue;
    seen.add(module);
    if (name.startsWith('.')) await loadedBy(new URL(module), seen);
  }
  return seen;
}

test.each([
  'config/control-socket',
  'formats/duration',
  'config/report',
  'config/defaults',
  'config/validators',
  'config/problem',
])('the command line can use %s without loading a package', async (name) => {
  const modules = [...(await loadedBy(new URL(`../../agent/${name}.ts`, import.meta.url)))];
  expect(modules.filter((module) => !module.startsWith('file:') && !module.startsWith('node:'))).toEqual([]);
});

test('the whole configuration does load the packages that the others leave out', async () => {
  const modules = await loadedBy(new URL('../../agent/config/load.ts', import.meta.url));
  expect(modules).toContain('yaml');
  expect(modules).toContain('zod');
  expect(modules).not.toContain('node-cron');
});
