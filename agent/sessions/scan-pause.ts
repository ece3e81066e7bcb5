import type { ScanBudget } from './scan-budget.ts';

/** One part in so many of the time may be spent on scans of a stick table: where an operation waits for the count, */
const WAITING = 100;
/** where the last users are there and nothing has changed for a while, or an entry of many runs out, */
const PATIENT = 20;
/** where it may be over at any moment, */
const NEAR = 5;
/** and where the next scan is the one that finds zero, or the second that sees it. */
const LAST = 2;
/** At most so many entries count as the last ones. */
const FEW = 10;
/** The last one of few may be cleared at any time: within so long it is seen, as far as the next larger share allows, */
const SOON_MS = 250;
/** and within so long where nothing has changed for a while. */
const SOON_ENOUGH_MS = 500;
const PATIENCE_MS = 60_000;
/** HAProxy takes an entry out a moment after its time. */
const AFTER_END_MS = 20;
/** The next scan comes within this part of the time that is left to the deadline. */
const OF_DEADLINE = 4;

/** What the last scan saw of this node's entries. */
export interface LastScan {
  readonly count: number;
  /** The longest time to live of them, in milliseconds from when the scan came to them. */
  readonly longestMs: number;
  /** How long the scan took, in milliseconds. */
  readonly tookMs: number;
  /** For how long the count had been the same at its end, in milliseconds; 0 for one that is new. */
  readonly stillMs: number;
}

/**
 * How long to leave a table alone from the end of a scan, in milliseconds.
 *
 * An entry's own `exp` shows when a scan pays: before the last of ours has run out none can find zero, unless
 * entries are cleared. So one is made that comes to it just then, beside those that keep the number up to date. The
 * lifecycle asks itself for what confirms zero behind the fence, and that waits for none of this.
 * @param lastScan null before the first scan
 * @param leftMs until the deadline of the operation that waits for the count; undefined where none does
 */
export function scanPauseMs(
  budget: ScanBudget,
  lastScan: LastScan | null,
  leftMs: number | undefined,
): number {
  if (leftMs === undefined || lastScan === null) return budget.pauseMs();
  const { count, longestMs, tookMs } = lastScan;
  const isFew = count <= FEW;
  const regular = isFew ? pauseOfFew(budget, lastScan) : budget.pauseMs(WAITING);
  const nearDeadline = Math.max(leftMs / OF_DEADLINE, budget.pauseMs(NEAR));
  if (count === 0) return Math.min(regular, nearDeadline);
  const endMs = longestMs - tookMs + AFTER_END_MS;
  const atEnd = Math.max(endMs, budget.pauseMs(isFew ? LAST : PATIENT));
  // A regular scan just before that end would only delay the one at the end.
  const isInTheWay = regular + tookMs + SOON_MS > atEnd;
  return Math.min(isInTheWay ? atEnd : regular, nearDeadline);
}

function pauseOfFew(budget: ScanBudget, { count, stillMs }: LastScan): number {
  const within = (share: number, ms: number, dearest: number): number =>
    Math.min(budget.pauseMs(share), Math.max(ms, budget.pauseMs(dearest)));
  if (count === 0) return budget.pauseMs(stillMs === 0 ? LAST : NEAR);
  return stillMs <= PATIENCE_MS ? within(NEAR, SOON_MS, LAST) : within(PATIENT, SOON_ENOUGH_MS, NEAR);
}
