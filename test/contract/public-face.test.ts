import { expect, test } from '@jest/globals';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../support/sample.ts';
import { configKeys } from '../support/config-keys.ts';
import { publicFace } from './public-face.ts';

/**
 * The public face is frozen in public-face.txt. What changes it shows up here and in the diff of that file; scripts and
 * monitors depend on each line, so a line that is taken away or renamed is a breaking change. After a change that is
 * meant: `LASTCALL_PIN=1 npm run jest -- test/contract/public-face`.
 */
const PINNED = join(packageRoot(), 'test/contract/public-face.txt');

test('The program has the commands, codes, keys, paths and metrics of public-face.txt, and no others', async () => {
  const face = await publicFace();
  if (process.env['LASTCALL_PIN'] === '1') writeFileSync(PINNED, face);
  expect(face).toBe(readFileSync(PINNED, 'utf8'));
});

test('Every key of the configuration stands in deploy/lastcall.yaml', () => {
  const sample = readFileSync(join(packageRoot(), 'deploy/lastcall.yaml'), 'utf8');
  const absent = configKeys().filter(([path]) => {
    const key = path.split('.').at(-1)?.replace('[]', '') ?? '';
    return !new RegExp(`\\b${key}:`).test(sample);
  });
  expect(absent).toEqual([]);
});
