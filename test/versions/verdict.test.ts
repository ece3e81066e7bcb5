import { expect, test } from '@jest/globals';
import { type JestReport, sums, table, type Verdict, verdicts } from './verdict.ts';

const ROOT = '/repo';
const FILE = 'test/one.test.ts';
const JOBS = [
  { job: 'first', file: FILE, test: /^first / },
  { job: 'second', file: FILE, test: /^second / },
];

/** What jest writes after these tests of one file: full name and status. */
function reportOf(tests: Readonly<Record<string, string>>): JestReport {
  const assertionResults = Object.entries(tests).map(([fullName, status]) => ({ fullName, status }));
  const count = (wanted: string): number => assertionResults.filter(({ status }) => status === wanted).length;
  return {
    numPassedTests: count('passed'),
    numFailedTests: count('failed'),
    numRuntimeErrorTestSuites: 0,
    testResults: [{ name: `${ROOT}/${FILE}`, assertionResults }],
  };
}

test('a job is green when one of its tests passed and none failed', () => {
  const report = reportOf({
    'first a': 'passed',
    'first b': 'pending',
    'second a': 'passed',
    'second b': 'failed',
  });
  const verdict = verdicts(report, JOBS, ROOT);
  expect(Object.fromEntries(verdict)).toEqual({ first: 'ok', second: 'FAILED' });
  expect(sums(report, 1, verdict)).toEqual({ passed: 2, failed: 1 });
});

test('a job without a test that ran is not green, and neither is its run', () => {
  const report = reportOf({ 'first a': 'passed', 'second a': 'pending', 'another one': 'passed' });
  const verdict = verdicts(report, JOBS, ROOT);
  expect(Object.fromEntries(verdict)).toEqual({ first: 'ok', second: 'FAILED' });
  expect(sums(report, 0, verdict)).toEqual({ passed: 2, failed: 1 });
});

test('a job in two files is green only when it is in both', () => {
  const jobs = [...JOBS, { job: 'first', file: 'test/two.test.ts' }];
  const report = reportOf({ 'first a': 'passed', 'second a': 'passed' });
  expect(verdicts(report, jobs, ROOT).get('first')).toBe('FAILED');
  expect(verdicts(report, jobs.toReversed(), ROOT).get('first')).toBe('FAILED');
});

test('a run without a report, or whose exit code no test explains, has a failure', () => {
  const none = verdicts(null, JOBS, ROOT);
  expect([...none.values()]).toEqual(['FAILED', 'FAILED']);
  expect(sums(null, 1, none)).toEqual({ passed: 0, failed: 1 });
  const report = reportOf({ 'first a': 'passed', 'second a': 'passed' });
  const verdict = verdicts(report, JOBS, ROOT);
  expect(sums(report, 0, verdict)).toEqual({ passed: 2, failed: 0 });
  expect(sums(report, 1, verdict)).toEqual({ passed: 2, failed: 1 });
});

test('the table has a row for each job and a column for each run', () => {
  const of = (entries: Record<string, 'ok' | 'FAILED'>): Verdict => new Map(Object.entries(entries));
  const runs = [
    { title: '2.2.9', verdict: of({ refused: 'ok' }) },
    { title: '3.0', verdict: of({ first: 'ok', second: 'FAILED' }) },
  ];
  expect(table(runs)).toBe(
    '         2.2.9  3.0\n' + 'refused  ok     -\n' + 'first    -      ok\n' + 'second   -      FAILED\n',
  );
});
