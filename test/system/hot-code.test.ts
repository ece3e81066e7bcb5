import { expect, test } from '@jest/globals';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { packageRoot } from '../support/sample.ts';

const FIXTURE = join(packageRoot(), 'test/fixtures/tells-compiled.mjs');
const SYSTEM = join(packageRoot(), 'dist/agent/system');

test('A process that spares memory optimizes nothing, until something long has to be read', async () => {
  const args = ['--allow-natives-syntax', FIXTURE, SYSTEM];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  expect(JSON.parse(stdout)).toEqual({ before: true, sparing: false, hot: true });
});
