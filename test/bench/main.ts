import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { PARTS } from './parts.ts';
import { exitCodeOf, runParts } from './run.ts';

/*
 * npm run bench [-- --only PART --runs N --json FILE]: speed and size of the built lastcall beside a real HAProxy, each
 * against its limit or a peer. Exit code 1 when a limit is broken. On a busy machine the figures say little.
 */

/** How often a long comparison is played, unless `--runs` says otherwise. */
const RUNS = 3;

const { values } = parseArgs({
  options: { json: { type: 'string' }, only: { type: 'string' }, runs: { type: 'string' } },
});
const chosen = Object.entries(PARTS).filter(([name]) => values.only === undefined || name === values.only);
if (chosen.length === 0) throw new Error(`--only: one of ${Object.keys(PARTS).join(', ')}`);
const runs = Number(values.runs ?? RUNS);
if (!Number.isSafeInteger(runs) || runs < 1) throw new Error('--runs: a whole number of 1 or more');
const stop = new AbortController();
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.once(name, () => stop.abort(new Error(`interrupted by ${name}`)));
}
const rows = await runParts({
  parts: Object.fromEntries(chosen),
  runs,
  signal: stop.signal,
  print: (line) => process.stdout.write(`${line}\n`),
});
process.exitCode = exitCodeOf(rows);
if (values.json !== undefined) await writeFile(values.json, `${JSON.stringify(rows, null, 2)}\n`);
