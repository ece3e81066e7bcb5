import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../../agent/system/error.ts';
import { openSite, type Site } from '../support/site.ts';
import type { BrokenPart, Row } from './figures.ts';
import { loadNow } from './machine.ts';
import { noiseOf, type Steadiness } from './noise.ts';
import type { Bench, Part } from './parts.ts';
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
}

/** A part that is interrupted may put its things away for so long; what it has not ended by then the run's reaper ends. */
const CLOSING_MS = 2_000;

/**
 * Plays the parts one after the other, and judges each row by the noise around its part. A part that throws, or measures
 * nothing, is broken; the others go on.
 */
export async function playParts(options: PlayOptions): Promise<PlayedPart[]> {
  const { signal, runs, print } = options;
  let opened: Promise<Site> | null = null;
  const site = (): Promise<Site> => (opened ??= openSite({}, signal));
  const played: PlayedPart[] = [];
  try {
    let before = await options.steadiness();
    for (const [name, part] of Object.entries(options.parts)) {
      const began = performance.now();
      const rows = await unlessInterrupted(rowsOf(name, part, { signal, runs, site }), signal);
      const seconds = (performance.now() - began) / 1_000;
      if (rows === null || signal.aborted) break;
      const after = await options.steadiness();
      const noise = noiseOf([before, after]);
      before = after;
      const judged = rows.map((row) => ({ row, verdict: verdictOn(row, noise), command: commandOf(name) }));
      for (const row of judged) print(lineOf(row));
      played.push({ name, rows: judged, seconds, noise, load: loadNow() });
    }
  } finally {
    await unlessInterrupted(closeSite(opened), signal);
  }
  return played;
}

/** Runs one part alone. */
export function commandOf(part: string): string {
  return `npm run bench -- --only ${part}`;
}

async function rowsOf(name: string, part: Part, bench: Bench): Promise<readonly (Row | BrokenPart)[]> {
  try {
    const rows = await part(bench);
    return rows.length === 0 ? [{ name, broken: 'nothing was measured' }] : rows;
  } catch (error) {
    return [{ name, broken: messageOf(error) }];
  }
}

/** Null where it is not over in time after an interrupt: not every part hears of one. */
async function unlessInterrupted<T>(work: Promise<T>, signal: AbortSignal): Promise<T | null> {
  const waiting = new AbortController();
  const late = async (): Promise<null> => {
    if (!signal.aborted) await once(signal, 'abort', { signal: waiting.signal });
    await sleep(CLOSING_MS, undefined, { signal: waiting.signal });
    return null;
  };
  try {
    return await Promise.race([work, late()]);
  } finally {
    waiting.abort();
  }
}

/** One that could not be opened has broken the parts that asked for it. */
async function closeSite(opened: Promise<Site> | null): Promise<void> {
  const site = await opened?.catch(() => null);
  await site?.close();
}
