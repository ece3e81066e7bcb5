import { relative } from 'node:path';
import type { Job } from './jobs.ts';

/** What `jest --json` writes. */
export interface JestReport {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numRuntimeErrorTestSuites: number;
  readonly testResults: readonly {
    readonly name: string;
    readonly assertionResults: readonly { readonly fullName: string; readonly status: string }[];
  }[];
}

/** By the job's name. */
export type Verdict = ReadonlyMap<string, 'ok' | 'FAILED'>;

/**
 * Which jobs a run has shown.
 * @param report null where jest wrote none
 * @param root directory of the repository
 */
export function verdicts(report: JestReport | null, jobs: readonly Job[], root: string): Verdict {
  const verdict = new Map<string, 'ok' | 'FAILED'>();
  for (const job of jobs) {
    // A job with several rows is green only when each row is.
    const green = isGreen(report, job, root) && verdict.get(job.job) !== 'FAILED';
    verdict.set(job.job, green ? 'ok' : 'FAILED');
  }
  return verdict;
}

function isGreen(report: JestReport | null, { file, test }: Job, root: string): boolean {
  const suites = (report?.testResults ?? []).filter(({ name }) => relative(root, name) === file);
  const statuses = suites
    .flatMap(({ assertionResults }) => assertionResults)
    .filter(({ fullName }) => test === undefined || test.test(fullName))
    .map(({ status }) => status);
  return statuses.includes('passed') && !statuses.includes('failed');
}

/**
 * Passed and failed tests of a run. A run whose exit code no failed test explains, or in which a job had no test at
 * all, counts one failure.
 * @param exitCode of jest; null when a signal ended it
 */
export function sums(
  report: JestReport | null,
  exitCode: number | null,
  verdict: Verdict,
): { readonly passed: number; readonly failed: number } {
  const failed = (report?.numFailedTests ?? 0) + (report?.numRuntimeErrorTestSuites ?? 0);
  const isGood = exitCode === 0 && report !== null && ![...verdict.values()].includes('FAILED');
  return { passed: report?.numPassedTests ?? 0, failed: isGood ? failed : Math.max(1, failed) };
}

/**
 * A table of what the runs have shown: one column each, jobs downwards in the order in which they are first met.
 * @returns lines
 */
export function table(runs: readonly { readonly title: string; readonly verdict: Verdict }[]): string {
  const jobs = [...new Set(runs.flatMap(({ verdict }) => [...verdict.keys()]))];
  const rows = [
    ['', ...runs.map(({ title }) => title)],
    ...jobs.map((job) => [job, ...runs.map(({ verdict }) => verdict.get(job) ?? '-')]),
  ];
  const widthOf = (at: number): number => Math.max(...rows.map((row) => row[at]?.length ?? 0));
  return rows
    .map(
      (row) =>
        `${row
          .map((cell, at) => cell.padEnd(widthOf(at)))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('');
}
