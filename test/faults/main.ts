import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { messageOf } from '../../agent/system/error.ts';
import { packageRoot } from '../support/sample.ts';
import { CATALOGUE } from './catalogue.ts';
import type { Fault } from './fault.ts';
import { play } from './play.ts';
import { type FaultOutcome, lineOf, renderReport, summaryOf } from './report.ts';

/*
 * npm run faults [-- NUMBER...] [--report FILE]: makes the faults of the catalogue one after the other, a line each.
 *
 * All of them: the report is written to test/faults/REPORT.md. With numbers: those alone, and no report unless --report
 * names a file. LASTCALL_BUNDLE is another lastcall.cjs to try. Exit code 0 when each fault that was made went as
 * expected, 1 when one did not, 64 for an argument that is no fault, 130 and 143 on SIGINT and SIGTERM.
 */

const SIGNALS = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;

const stop = new AbortController();
for (const [name, code] of Object.entries(SIGNALS)) {
  process.on(name, () => {
    process.exitCode = code;
    stop.abort(new Error(`interrupted by ${name}`));
  });
}
// What a fault that has ended still waited for fails when everything is taken away: told, and no verdict.
process.on('unhandledRejection', (reason) => {
  process.stderr.write(`faults: after a fault: ${messageOf(reason).split('\n')[0] ?? ''}\n`);
});

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { report: { type: 'string' } },
});
const chosen = positionals.map((word) => CATALOGUE.find(({ number }) => String(number) === word));
if (chosen.includes(undefined)) {
  process.stderr.write(`faults: each argument is a number of 1 to ${CATALOGUE.length}\n`);
  process.exitCode = 64;
} else {
  await playAll(positionals.length === 0 ? CATALOGUE : (chosen as readonly Fault[]));
}

async function playAll(faults: readonly Fault[]): Promise<void> {
  const outcomes: FaultOutcome[] = [];
  for (const fault of faults) {
    if (stop.signal.aborted) return;
    const outcome = await play(fault, stop.signal);
    outcomes.push(outcome);
    process.stdout.write(`${lineOf(outcome)}\n`);
  }
  if (stop.signal.aborted) return;
  process.stdout.write(`${summaryOf(outcomes)}\n`);
  const file =
    values.report ?? (positionals.length === 0 ? join(packageRoot(), 'test', 'faults', 'REPORT.md') : null);
  if (file !== null) await writeFile(file, renderReport(outcomes, new Date()));
  if (outcomes.some(({ is }) => is === 'failed')) process.exitCode = 1;
}
