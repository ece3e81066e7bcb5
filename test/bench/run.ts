import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../../agent/system/error.ts';
import { withLimit } from '../support/with-limit.ts';
import { round, type BrokenPart, type Row } from './figures.ts';
import { loadNow } from './machine.ts';
import { noiseOf, type Steadiness } from './noise.ts';
import type { Bench, Part } from './parts.ts';
import { createSharedSite } from './shared-site.ts';
import { lineOf } from './table.ts';
import { verdictOn, type PlayedPart } from './verdict.ts';

export interface PlayOptions {
  readonly parts: Readonly<Record<string, Part>>;
  readonly runs: number;
  /** Ends the run; what was measured by then is returned. */
  readonly signal: AbortSignal;
  readonly print: (line: string) => void;
  /** How steady this machine is just now. */
  readonly steadiness: () => Promise<Steadiness>;
  /** Ends every process that the parts so far have left. Returns how many there were. */
  readonly endLeftovers: () => Promise<number>;
  /** How long a part that is ended may take to put its things away; default CLOSING_MS. */
  readonly closingMs?: number;
}

/** A part that is ended may put its things away for so long; what it has not ended by then is ended for it. */
const CLOSING_MS = 5_000;

/**
 * Plays the parts one after the other, and judges each row by the noise around its part. A part that throws, measures
 * nothing, or is not over within its limit is broken; what it has left running is ended, and the others go on.
 */
export async function playParts(options: PlayOptions): Promise<PlayedPart[]> {
  const { signal, runs, print, closingMs = CLOSING_MS } = options;
  const site = createSharedSite(signal, closingMs);
  const played: PlayedPart[] = [];
  try {
    let before = await options.steadiness();
    for (const [name, part] of Object.entries(options.parts)) {
      const began = performance.now();
      const bench = { signal, runs, site: site.open };
      const clearAway = async (): Promise<number> => {
        // The site goes, too: a part that failed may have left it in any state.
        await site.close();
        return options.endLeftovers();
      };
      const rows = await rowsOf(name, part, bench, { clearAway, closingMs });
      const seconds = (performance.now() - began) / 1_000;
      if (signal.aborted) break;
      const after = await options.steadiness();
      const noise = noiseOf([before, after]);
      before = after;
      const judged = rows.map((row) => ({ row, verdict: verdictOn(row, noise), command: commandOf(name) }));
      for (const row of judged) print(lineOf(row));
      print(`(${name}: ${round(seconds)} s)`);
      played.push({ name, rows: judged, seconds, noise, load: loadNow() });
    }
  } finally {
    await site.close();
  }
  return played;
}

/** Runs one part alone. */
export function commandOf(part: string): string {
  return `npm run bench -- --only ${part}`;
}

/** The longest that these parts may take together, in milliseconds, besides what it takes to end those that are late. */
export function longestMs(parts: Readonly<Record<string, Part>>, runs: number): number {
  return Object.values(parts).reduce((sum, { limitMs }) => sum + limitMs(runs), 0);
}

/** How a part that has failed is ended. */
interface PartEnding {
  readonly clearAway: () => Promise<number>;
  readonly closingMs: number;
}

async function rowsOf(
  name: string,
  part: Part,
  bench: Bench,
  { clearAway, closingMs }: PartEnding,
): Promise<readonly (Row | BrokenPart)[]> {
  let work: Promise<Row[]> = Promise.resolve([]);
  try {
    const rows = await withLimit(bench.signal, part.limitMs(bench.runs), (signal) => {
      work = Promise.resolve(part.play({ ...bench, signal }));
      return unlessAborted(work, signal, closingMs);
    });
    return rows.length === 0 ? [{ name, broken: 'nothing was measured' }] : rows;
  } catch (error) {
    if (bench.signal.aborted) return [];
    const left = await clearAway();
    const isOver = await settlesWithin(work, closingMs);
    const notes = [
      messageOf(error),
      ...(left > 0 ? [`${left} processes were left, and are ended`] : []),
      ...(isOver ? [] : ['it does not end, and may disturb what comes after it']),
    ];
    return [{ name, broken: notes.join('; ') }];
  }
}

/**
 * What `work` gives. After an abort it may go on for a moment, so that it puts its things away and says where it was.
 * @throws what `work` throws, and the signal's reason where it is not over in time: not every part hears of an abort
 */
async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal, closingMs: number): Promise<T> {
  const waiting = new AbortController();
  const late = async (): Promise<never> => {
    if (!signal.aborted) await once(signal, 'abort', { signal: waiting.signal });
    await sleep(closingMs, undefined, { signal: waiting.signal });
    throw signal.reason;
  };
  try {
    return await Promise.race([work, late()]);
  } finally {
    waiting.abort();
  }
}

/** Whether it is over by then, well or not. */
async function settlesWithin(work: Promise<unknown>, ms: number): Promise<boolean> {
  const waiting = new AbortController();
  const over = work.then(
    () => true,
    () => true,
  );
  const late = sleep(ms, false, { signal: waiting.signal }).catch(() => false);
  try {
    return await Promise.race([over, late]);
  } finally {
    waiting.abort();
  }
}
