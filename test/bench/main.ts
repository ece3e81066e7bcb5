import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { messageOf } from '../../agent/system/error.ts';
import { describeMachine, loadNow } from './machine.ts';
import { steadiness } from './noise.ts';
import { renderPage } from './page/page.ts';
import { PARTS, type Part } from './parts.ts';
import { longestMs, playParts } from './run.ts';
import { round } from './figures.ts';
import { renderTable } from './table.ts';
import { keepTraces, type Traces } from './traces.ts';
import { countsOf, exitCodeOf, NOISY_FROM, type PlayedPart } from './verdict.ts';

/*
 * npm run bench [-- --only PART --runs N --html FILE --json FILE]: speed and size of the built lastcall beside a real
 * HAProxy, each figure against its limit or against what people use instead, measured in turns. Ends with a table, and
 * with a page that has the plots (in a new directory of the temporary one, unless --html names a file).
 *
 * Exit code 0 when every limit is kept, 1 when one is broken, 75 when this machine was too noisy to judge one, or nothing could
 * be judged at all, 64 for wrong words on the command line, 129, 130 and 143 on SIGHUP, SIGINT and SIGTERM. What is missing beside
 * rows that passed has not failed. Whatever ends it, nothing that it has started outlives it (traces.ts).
 */

const SIGNALS = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;
/** How often a long comparison is played, unless `--runs` says otherwise. */
const RUNS = 3;

interface Settings {
  readonly parts: Readonly<Record<string, Part>>;
  readonly runs: number;
  readonly html: string | undefined;
  readonly json: string | undefined;
}

const stop = new AbortController();
for (const [name, code] of Object.entries(SIGNALS)) {
  process.on(name, () => {
    process.exitCode = code;
    stop.abort(new Error(`interrupted by ${name}`));
  });
}
process.on('unhandledRejection', reportLate);
const settings = settingsOrNull();
if (settings !== null) {
  const page = settings.html ?? join(await mkdtemp(join(tmpdir(), 'lastcall-bench-')), 'bench.html');
  const traces = await keepTraces();
  try {
    await play(settings, page, traces);
  } finally {
    const left = await traces.remove();
    if (left > 0) process.stderr.write(`bench: ${left} processes were left, and are ended\n`);
  }
  // A part that has not heard of the interrupt still waits for what is gone now.
  if (stop.signal.aborted) process.exit();
}

function settingsOrNull(): Settings | null {
  try {
    return readSettings(process.argv.slice(2));
  } catch (error) {
    process.stderr.write(`bench: ${messageOf(error)}\n`);
    process.exitCode = 64;
    return null;
  }
}

function readSettings(args: string[]): Settings {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({ args, options: { json: text, only: text, runs: text, html: text } });
  const { only, html, json } = values;
  const parts = Object.entries(PARTS).filter(([name]) => only === undefined || name === only);
  if (parts.length === 0) throw new Error(`--only: one of ${Object.keys(PARTS).join(', ')}`);
  const runs = Number(values.runs ?? RUNS);
  if (!Number.isSafeInteger(runs) || runs < 1) throw new Error('--runs: a whole number of 1 or more');
  return { parts: Object.fromEntries(parts), runs, html, json };
}

async function play({ parts, runs, json }: Settings, page: string, traces: Traces): Promise<void> {
  const machine = describeMachine(new Date());
  const loadBefore = loadNow();
  const print = (line: string): void => void process.stdout.write(`${line}\n`);
  const began = performance.now();
  print(`${Object.keys(parts).join(', ')}: at most ${lengthOf(longestMs(parts, runs))}`);
  const options = { parts, runs, signal: stop.signal, print, steadiness, endLeftovers: () => traces.end() };
  const played = await playParts(options);
  const unmeasured = Object.keys(parts).filter((name) => !played.some((part) => part.name === name));
  const report = { machine, loadBefore, loadAfter: loadNow(), runs, parts: played, unmeasured };
  const rows = played.flatMap((part) => part.rows);
  if (rows.length > 0) for (const line of ['', ...renderTable(rows), '']) print(line);
  print(countsOf(rows));
  if (stop.signal.aborted) print(`${messageOf(stop.signal.reason)}: not measured: ${unmeasured.join(', ')}`);
  print(`took ${lengthOf(performance.now() - began)}: ${timesOf(played)}`);
  for (const { name, noise } of played.filter((part) => part.noise >= NOISY_FROM))
    print(`around ${name} the slowest tenth of equal works took ${round(noise)} times the fastest tenth`);
  if (json !== undefined) await writeFile(json, `${JSON.stringify(report, null, 2)}\n`);
  await writeFile(page, renderPage(report));
  print(`the page: ${page}`);
  if (!stop.signal.aborted) process.exitCode = exitCodeOf(rows);
}

/** `poll 7 s, rolling 920 s`. */
function timesOf(played: readonly PlayedPart[]): string {
  return played.map(({ name, seconds }) => `${name} ${round(seconds)} s`).join(', ') || 'no part is over';
}

/** `5 min 12 s`. */
function lengthOf(ms: number): string {
  const seconds = Math.round(ms / 1_000);
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

/** Of a part that has failed already, or was given up: it must not end the others. */
function reportLate(reason: unknown): void {
  if (!stop.signal.aborted) process.stderr.write(`bench: an error besides: ${messageOf(reason)}\n`);
}
