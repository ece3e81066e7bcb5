import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { packageRoot } from '../support/sample.ts';
import { missingForBox } from './needs.ts';
import { installPackage } from './package.ts';

// `npm run test:host`: packs and installs lastcall as a user would, then runs test/host/*.host.ts with it in a real Debian
// system (box.sh). Where such a system cannot be had that is said loudly; with LASTCALL_CI=1 (.ci/run sets it) it is a
// failure, too.
//   node dist/test/host/main.js [--outputFile FILE] [PATTERN ...]     FILE gets the sums and the results, named as in jest's report

const ROOT = packageRoot();
const JEST =
  '--import ./test/strict.mjs --experimental-vm-modules --disable-warning=ExperimentalWarning ' +
  'node_modules/jest/bin/jest.js --globalTeardown ./test/no-orphans.mjs --runInBand --testTimeout 240000 ' +
  '--testMatch **/test/host/*.host.ts';
const IN_CI = process.env['LASTCALL_CI'] === '1';
/** A run that hangs is a failed one. */
const PATIENCE_MS = 25 * 60 * 1000;

const { values, positionals } = parseArgs({
  options: { outputFile: { type: 'string' } },
  allowPositionals: true,
});
const missing = missingForBox();
if (missing === null) runIn(mkdtempSync(join(tmpdir(), 'lc-package-')));
else {
  process.stdout.write(`\nSKIPPED: npm run test:host: no Debian system can be booted here: ${missing}\n`);
  tell(0, IN_CI ? 1 : 0);
}

function runIn(work: string): void {
  try {
    const { prefix, boots } = { prefix: installPackage(work), boots: join(work, 'report.json') };
    const { status } = spawnSync(
      process.execPath,
      [...JEST.split(' '), '--json', '--outputFile', boots, ...positionals],
      {
        cwd: ROOT,
        env: { ...process.env, LASTCALL_PACKAGE: prefix },
        timeout: PATIENCE_MS,
        killSignal: 'SIGKILL',
        // jest also prints its report, all of it, to standard output.
        stdio: ['ignore', 'ignore', 'inherit'],
      },
    );
    const report = read(boots);
    const failed = (report?.numFailedTests ?? 0) + (report?.numRuntimeErrorTestSuites ?? 0);
    const counted = status === 0 && report !== null ? failed : Math.max(1, failed);
    tell(report?.numPassedTests ?? 0, counted, report?.testResults);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

function tell(passed: number, failed: number, testResults: readonly unknown[] = []): void {
  if (values.outputFile !== undefined) {
    const report = { numPassedTests: passed, numFailedTests: failed, testResults };
    writeFileSync(values.outputFile, JSON.stringify(report));
  }
  process.stdout.write(`\n${passed} passed, ${failed} failed\n`);
  process.exitCode = failed === 0 ? 0 : 1;
}

interface HostReport {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numRuntimeErrorTestSuites: number;
  /** As jest writes them, for the summary. */
  readonly testResults: readonly unknown[];
}

function read(file: string): HostReport | null {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as HostReport;
  } catch {
    return null;
  }
}
