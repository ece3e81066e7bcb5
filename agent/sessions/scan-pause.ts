import type { Cadence } from './cadence.ts';

/** One part in so many of the time may be spent on scans of a stick table: where an operation waits for the count, */
const WAITING = 100;
/** where the last users are there and nothing has changed for a while, or an entry of many runs out, */
const PATIENT = 20;
/** where it may be over at any moment, */
const NEAR = 5;
/** and where it is zero: two more scans, one for the quiet and one behind the fence, and it is over. */
const AT_ZERO = 2;
/** So few entries are the last ones. */
const FEW = 10;
const PATIENCE_MS = 60_000;
const PATIENCE_AT_ZERO_MS = 10_000;
/** HAProxy takes an entry out a moment after its time. */
const AFTER_END_MS = 20;
/** Of the time left to the deadline, a scan is at most this part away. */
const OF_DEADLINE = 4;

/** What the last scan saw of this node's entries. */
export interface Sight {
  readonly count: number;
  /** The longest time to live of them, in milliseconds from the end of the scan. */
  readonly longestMs: number;
  /** When the count was last another one, in monotonic milliseconds. */
  readonly changedAt: number;
}

/**
 * How long to leave a table alone from the end of a scan, in milliseconds.
 *
 * An entry's own `exp` tells when a scan pays: before the last of ours has run out none can find zero, unless entries
 * are cleared. So one is made just then, beside those that keep the number up to date.
 * @param sight null before the first scan
 * @param now monotonic milliseconds
 * @param leftMs until the deadline of the operation that waits for the count; undefined where none does
 */
export function scanPauseMs(
  cadence: Cadence,
  sight: Sight | null,
  now: number,
  leftMs: number | undefined,
): number {
  if (leftMs === undefined || sight === null) return cadence.pauseMs();
  const { count, longestMs, changedAt } = sight;
  const isFew = count <= FEW;
  const regular = cadence.pauseMs(isFew ? shareOfFew(count, now - changedAt) : WAITING);
  const atEnd =
    count === 0 ? regular : Math.max(longestMs + AFTER_END_MS, cadence.pauseMs(isFew ? NEAR : PATIENT));
  const nearDeadline = Math.max(leftMs / OF_DEADLINE, cadence.pauseMs(NEAR));
  return Math.min(regular, atEnd, nearDeadline);
}

/** @param stillMs for how long the count has been the same, in milliseconds */
function shareOfFew(count: number, stillMs: number): number {
  if (count === 0 && stillMs <= PATIENCE_AT_ZERO_MS) return AT_ZERO;
  return stillMs <= PATIENCE_MS ? NEAR : PATIENT;
}
