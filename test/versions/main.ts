import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type Found, Missing, ROOT } from './cache.ts';
import { bringHaproxy, installedHaproxy, SUITES } from './haproxies.ts';
import { type Job, JOBS, MAIN_JOBS, REFUSED } from './jobs.ts';
import { bringNode, LINES } from './nodes.ts';
import { type JestReport, sums, table, type Verdict, verdicts } from './verdict.ts';

// `npm run test:versions`: the jobs of jobs.ts on other versions of HAProxy, and the main job on other versions of
// Node. What cannot be had is reported loudly; with LASTCALL_CI=1 (.ci/run sets it) it is a failure, too.
//   node dist/test/versions/main.js [--outputFile FILE]     FILE gets the sums and the results, named as in jest's report

const NODE_WORDS =
  '--import ./test/strict.mjs --experimental-vm-modules --disable-warning=ExperimentalWarning';
const JEST_WORDS =
  'node_modules/jest/bin/jest.js --globalTeardown ./test/no-orphans.mjs ' +
  '--testMatch **/*.versions.ts --testMatch **/*.test.ts';
const JEST = `${NODE_WORDS} ${JEST_WORDS}`.split(' ');
const IN_CI = process.env['LASTCALL_CI'] === '1';
/** A run that hangs is a failed one. */
const PATIENCE_MS = 10 * 60 * 1000;
const OLDEST = [2, 4] as const;

const { values } = parseArgs({ options: { outputFile: { type: 'string' } } });
const work = mkdtempSync(join(tmpdir(), 'lastcall-versions-'));
try {
  const haproxies = [
    { name: 'HAProxy as installed', bring: installedHaproxy },
    ...SUITES.map(({ suite, branch }) => ({
      name: `HAProxy ${branch} (Debian ${suite})`,
      bring: () => bringHaproxy(suite),
    })),
  ];
  const nodes = LINES.map((line) => ({ name: `Node ${line}`, bring: () => bringNode(line) }));
  const onHaproxies = haproxies.flatMap((one) => tryOn(one, runOnHaproxy));
  const onNodes = nodes.flatMap((one) => tryOn(one, runOnNode));
  tell(onHaproxies, onNodes);
} finally {
  rmSync(work, { recursive: true, force: true });
}

/** What came of one run. */
interface Ran {
  readonly title: string;
  readonly verdict: Verdict;
  readonly passed: number;
  readonly failed: number;
  /** As jest writes them, for the summary. */
  readonly testResults: JestReport['testResults'];
}

interface Tried extends Ran {
  readonly name: string;
  /** Why it was not run; null when it was. */
  readonly missing: string | null;
}

interface Candidate {
  readonly name: string;
  readonly bring: () => Found;
}

function tryOn({ name, bring }: Candidate, run: (found: Found) => Ran): Tried[] {
  try {
    const found = bring();
    say(`${name}: found ${found.version} in ${found.dir}${found.note === null ? '' : `; ${found.note}`}`);
    return [{ name, missing: null, ...run(found) }];
  } catch (error) {
    if (!(error instanceof Missing)) throw error;
    say(`NOT RUN: ${name}: ${error.message}`);
    return [
      {
        name,
        missing: error.message,
        title: name,
        verdict: new Map(),
        passed: 0,
        failed: 0,
        testResults: [],
      },
    ];
  }
}

function runOnHaproxy({ dir, version }: Found): Ran {
  const jobs = isOlder(version, OLDEST)
    ? REFUSED
    : JOBS.filter(({ from }) => from === undefined || !isOlder(version, from));
  return runJest(
    process.execPath,
    jobs,
    { PATH: `${dir}:${process.env['PATH']}`, LASTCALL_HAPROXY: version },
    version,
  );
}

function runOnNode({ dir, version }: Found): Ran {
  const env = { PATH: `${dir}:${process.env['PATH']}`, LASTCALL_NODE: version };
  return runJest(join(dir, 'node'), MAIN_JOBS, env, `Node ${version}`);
}

function runJest(node: string, jobs: readonly Job[], env: NodeJS.ProcessEnv, title: string): Ran {
  const file = join(work, `${title}.json`);
  const files = [...new Set(jobs.map((job) => job.file))];
  const { status } = spawnSync(
    node,
    [...JEST, '--json', '--outputFile', file, '--runTestsByPath', ...files],
    {
      cwd: ROOT,
      env: { ...process.env, ...env },
      timeout: PATIENCE_MS,
      killSignal: 'SIGKILL',
      // jest also prints its report, all of it, to standard output.
      stdio: ['ignore', 'ignore', 'inherit'],
    },
  );
  const report = read(file);
  const verdict = verdicts(report, jobs, ROOT);
  const results = report?.testResults ?? [];
  const testResults = results.map((result) => ({ ...result, name: `${title}: ${result.name}` }));
  return { title, verdict, testResults, ...sums(report, status, verdict) };
}

function tell(onHaproxies: readonly Tried[], onNodes: readonly Tried[]): void {
  const all = [...onHaproxies, ...onNodes];
  for (const runs of [onHaproxies, onNodes]) {
    const ran = runs.filter(({ missing }) => missing === null);
    if (ran.length > 0) process.stdout.write(`\n${table(ran)}`);
  }
  const missing = all.filter((run) => run.missing !== null);
  for (const run of missing) process.stdout.write(`\nNOT RUN: ${run.name}: ${run.missing}\n`);
  const passed = all.reduce((sum, run) => sum + run.passed, 0);
  const failed = all.reduce((sum, run) => sum + run.failed, 0) + (IN_CI ? missing.length : 0);
  if (values.outputFile !== undefined) {
    const testResults = all.flatMap((run) => run.testResults);
    const report = { numPassedTests: passed, numFailedTests: failed, testResults };
    writeFileSync(values.outputFile, JSON.stringify(report));
  }
  process.stdout.write(`\n${passed} passed, ${failed} failed\n`);
  process.exitCode = failed === 0 ? 0 : 1;
}

function isOlder(version: string, [major, minor]: readonly [number, number]): boolean {
  const [own = 0, ownMinor = 0] = version.split('.').map(Number);
  return own < major || (own === major && ownMinor < minor);
}

function read(file: string): JestReport | null {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as JestReport;
  } catch {
    return null;
  }
}

function say(text: string): void {
  process.stderr.write(`\nversions: ${text}\n`);
}
