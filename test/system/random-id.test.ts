import { expect, test } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { randomId } from '../../agent/system/random-id.ts';
import { packageRoot } from '../support/sample.ts';

const UUID = /^[\da-f]{8}-[\da-f]{4}-4[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/;

test('Each id is a UUID of its own', () => {
  const ids = Array.from({ length: 100 }, randomId);
  expect(new Set(ids).size).toBe(100);
  for (const id of ids) expect(id).toMatch(UUID);
});

test('So it is where /proc does not show the kernel’s', () => {
  const module = join(packageRoot(), 'dist', 'agent', 'system', 'random-id.js');
  const program = `import fs from 'node:fs';
    import { syncBuiltinESMExports } from 'node:module';
    fs.readFileSync = () => { throw new Error('ENOENT'); };
    syncBuiltinESMExports();
    const { randomId } = await import(${JSON.stringify(module)});
    console.log(randomId());`;
  const id = execFileSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' });
  expect(id.trim()).toMatch(UUID);
});
