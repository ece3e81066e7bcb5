/** At most a thousandth of the time is spent on what holds HAProxy up. */
const SHARE = 1_000;
const FIRST_RETRY_MS = 1_000;
const REMEMBERED = 3;

/** How often something may be done that costs others time. */
export interface Cadence {
  /** It was done, at this cost in milliseconds. */
  done(ms: number): void;
  /** It was given up after so many milliseconds; nobody knows how many of them it cost others. */
  failed(ms: number): void;
  /** How long to leave it alone, in milliseconds from its last end. */
  pauseMs(): number;
}

/**
 * The pause follows the least of the last few costs: a busy machine of our own only adds to what we measure. After a
 * failure it doubles each time up to what the time spent would ask for, so that one that is frozen once is soon asked
 * again, and a table too large to be searched in time is not searched over and over.
 */
export function createCadence(): Cadence {
  const costs: number[] = [];
  let failures = 0;
  let pause = 0;
  return {
    done(ms) {
      failures = 0;
      costs.push(ms);
      if (costs.length > REMEMBERED) costs.shift();
      pause = Math.max(0, Math.min(...costs)) * (SHARE - 1);
    },
    failed(ms) {
      pause = Math.min(ms * (SHARE - 1), FIRST_RETRY_MS * 2 ** failures);
      failures += 1;
    },
    pauseMs: () => pause,
  };
}
