import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { packageRoot } from './support/sample.ts';
import { makeTempDir, type TempDir } from './support/tempdir.ts';

const execute = promisify(execFile);
let temp: TempDir;
beforeEach(async () => (temp = await makeTempDir()));
afterEach(() => temp.remove());

/** A report (null: none was written) and the exit code of the run. */
type Run = readonly [report: object | null, exitCode: number];

/** What CI reads after these runs. */
async function summaryOf(...runs: readonly Run[]): Promise<string> {
  const words: string[] = [];
  for (const [report, exitCode] of runs) {
    const file = join(temp.path, `${randomUUID()}.json`);
    if (report !== null) await writeFile(file, JSON.stringify(report));
    words.push(file, String(exitCode));
  }
  const program = join(packageRoot(), 'test', 'summary.mjs');
  return (await execute(process.execPath, [program, ...words])).stdout;
}

const summary = (report: object | null, exitCode: number): Promise<string> => summaryOf([report, exitCode]);

const report = (numPassedTests: number, numFailedTests: number, numRuntimeErrorTestSuites = 0): object => ({
  numPassedTests,
  numFailedTests,
  numRuntimeErrorTestSuites,
});

test('a good run is summed up with its number of tests', async () => {
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

test('several runs are summed, and one that did not come to its tests is not hidden by a good one', async () => {
  const versions = { numPassedTests: 40, numFailedTests: 2 };
  expect(await summaryOf([report(123, 0), 0], [versions, 1])).toBe('163 passed, 2 failed\n');
  expect(await summaryOf([report(123, 0), 0], [null, 1])).toBe('123 passed, 1 failed\n');
  expect(await summaryOf([null, 1], [versions, 1])).toBe('40 passed, 3 failed\n');
});

test('each failed test is named at the end, with the first lines of its message', async () => {
  const lines = Array.from({ length: 40 }, (_none, at) => `line ${at}`).join('\n');
  const testResults = [
    {
      name: '/repo/test/a.test.ts',
      status: 'failed',
      message: 'all',
      assertionResults: [
        { fullName: 'a good one', status: 'passed', failureMessages: [] },
        { fullName: 'a bad one', status: 'failed', failureMessages: [`\u001B[31mred\u001B[39m\n${lines}`] },
      ],
    },
    { name: '/repo/test/b.test.ts', status: 'failed', message: 'no such module', assertionResults: [] },
    { name: '/repo/test/c.test.ts', status: 'passed', message: '', assertionResults: [] },
  ];
  const text = await summary(
    { numPassedTests: 1, numFailedTests: 1, numRuntimeErrorTestSuites: 1, testResults },
    1,
  );
  expect(text).toContain('FAILED: /repo/test/a.test.ts: a bad one\nred\nline 0\n');
  expect(text).toContain('FAILED: /repo/test/b.test.ts: the suite\nno such module\n');
  expect(text).not.toMatch(/a good one|c\.test|line 20/);
  expect(text).not.toContain('\u001B');
  expect(text.endsWith('\n1 passed, 2 failed\n')).toBe(true);
});
