import type { Harm } from '../../fixtures/tally.ts';
import { type DelaySeries, longestWait, mostWaited, type ProcessorWait } from '../run-delay.ts';

/**
 * What excuses a broken promise, so that its point is played again: only that a process had no processor, by the kernel's own
 * figures, for so long that this alone may have caused it. What no wait can cause (`grave`) is never excused.
 */

/** One run of a campaign. Times are of the clock of `performance.now()`. */
export interface JudgedRun {
  readonly fromMs: number;
  readonly toMs: number;
  readonly series: readonly DelaySeries[];
  readonly lost: number;
  readonly failed: number;
  readonly harms: readonly Harm[];
  /** Something else was not as promised: an end, a state, a deadline of the campaign. */
  readonly isOtherwise: boolean;
}

/** The application forgets a session that was unused for so long. */
export const IDLE_MS = 10_000;
/** Four fifths of it are without a processor. */
const MOST_OF = 0.8;
/** Shortest time after which HAProxy gives a request up (haproxy/haproxy.cfg, `timeout connect`); users wait for ten seconds. */
const FAILS_AFTER_MS = 2_000;
/** Shortest time that a sidecar of the campaign gives HAProxy for an answer: that of its master socket. */
const GIVES_UP_AFTER_MS = 500;
/** Shortest deadline of an operation, and of a wait of the campaign. */
const DEADLINE_MS = 30_000;

/** @returns why it may be played again, with the figures; null = it is not excused */
export function excuseFor(run: JudgedRun): string | null {
  if (run.harms.length < run.lost + run.failed) return null;
  const excuses = [...run.harms.map((harm) => excuseOfHarm(harm, run)), ...otherwise(run)];
  if (excuses.length === 0 || excuses.includes(null)) return null;
  return [...new Set(excuses)].join('; ');
}

/** A session is lost by time alone only where it was old enough, and its user had no processor to click with. */
function excuseOfHarm({ kind, atMs, unusedMs }: Harm, run: JudgedRun): string | null {
  if (kind === 'failed')
    return say(longestWait(run.series, run.fromMs, atMs), FAILS_AFTER_MS, 'a request failed');
  if (unusedMs < IDLE_MS) return null;
  const wait = mostWaited(run.series, atMs - unusedMs, atMs);
  return say(wait, MOST_OF * IDLE_MS, `a session was unused for ${Math.round(unusedMs)} ms`);
}

/** Where a deadline may have passed, one process has had no processor for most of that run. */
function otherwise({ fromMs, toMs, series, isOtherwise }: JudgedRun): readonly (string | null)[] {
  if (!isOtherwise) return [];
  const tookMs = toMs - fromMs;
  if (tookMs < DEADLINE_MS)
    return [say(longestWait(series, fromMs, toMs), GIVES_UP_AFTER_MS, 'it went otherwise')];
  const most = mostWaited(series, fromMs, toMs);
  return [say(most, MOST_OF * tookMs, `it took ${Math.round(tookMs)} ms`)];
}

function say(wait: ProcessorWait | null, neededMs: number, what: string): string | null {
  if (wait === null || wait.ms < neededMs) return null;
  return `${what}, and ${wait.name} had no processor for ${wait.ms} ms (at least ${Math.round(neededMs)} are an excuse)`;
}

/** So often at most one point is played again. */
const MOST_REPLAYS = 2;
/** Of a hundred points at most so many times. */
const MOST_REPLAYS_PERCENT = 3;

/** How many replays a campaign of so many points may have in all: one at least. */
export const replaysOf = (points: number): number =>
  Math.max(1, Math.floor((points * MOST_REPLAYS_PERCENT) / 100));

/** The replays of one campaign, within these bounds. */
export interface Replays<P> {
  /** How many there were. */
  readonly taken: number;
  /** @returns null where the point may be played again, which counts; else which bound forbids it */
  take(point: P): string | null;
}

/** @param points how many the campaign plays */
export function createReplays<P>(points: number): Replays<P> {
  const most = replaysOf(points);
  const ofPoint = new Map<P, number>();
  let taken = 0;
  return {
    get taken() {
      return taken;
    },
    take(point) {
      const before = ofPoint.get(point) ?? 0;
      if (before >= MOST_REPLAYS) return `it has been played again ${before} times`;
      if (taken >= most) return `${most} of ${points} runs have been played again`;
      ofPoint.set(point, before + 1);
      taken += 1;
      return null;
    },
  };
}
