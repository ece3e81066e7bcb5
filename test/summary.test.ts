import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { packageRoot } from './support/sample.ts';
import { makeTempDir, type TempDir } from './support/tempdir.ts';

const execute = promisify(execFile);
let temp: TempDir;
beforeEach(async () => (temp = await makeTempDir()));
afterEach(() => temp.remove());

/** What CI reads after a run with this report (null: none was written) and this exit code of `npm test`. */
async function summary(report: object | null, exitCode: number): Promise<string> {
  const file = join(temp.path, 'report.json');
  if (report !== null) await writeFile(file, JSON.stringify(report));
  const program = join(packageRoot(), 'test', 'summary.mjs');
  return (await execute(process.execPath, [program, file, String(exitCode)])).stdout;
}

const report = (numPassedTests: number, numFailedTests: number, numRuntimeErrorTestSuites = 0): object => ({
  numPassedTests,
  numFailedTests,
  numRuntimeErrorTestSuites,
});

test('a good run is told with its number of tests', async () => {
  expect(await summary(report(123, 0), 0)).toBe('123 passed, 0 failed\n');
});

test('failed tests and suites that could not be loaded are failures', async () => {
  expect(await summary(report(120, 3, 2), 1)).toBe('120 passed, 5 failed\n');
});

test('a run that never came to its tests, or failed without a failed test, is no good run', async () => {
  expect(await summary(null, 1)).toBe('0 passed, 1 failed\n');
  expect(await summary(null, 0)).toBe('0 passed, 1 failed\n');
  expect(await summary(report(123, 0), 1)).toBe('123 passed, 1 failed\n');
});
