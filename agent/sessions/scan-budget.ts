/** At most a thousandth of the time is spent on what holds HAProxy up, where nothing waits for it. */
const SHARE = 1_000;
const FIRST_RETRY_MS = 1_000;
const REMEMBERED = 3;

/** How often something may be done that costs others time. */
export interface ScanBudget {
  /** It was done, at this cost in milliseconds. */
  spent(ms: number): void;
  /** It was given up after so many milliseconds; how many of them it cost others is not known. */
  failed(ms: number): void;
  /**
   * How long to leave it alone, in milliseconds from its last end.
   * @param share one part in so many of the time may be spent on it; default: a thousand
   */
  pauseMs(share?: number): number;
}

/**
 * The pause follows the least of the last few costs: a busy machine of our own only adds to what we measure. After a
 * failure it doubles each time up to what the time spent would ask for, so that one that is frozen once is soon asked
 * again, and a table too large to be searched in time is not searched over and over.
 */
export function createScanBudget(): ScanBudget {
  const costs: number[] = [];
  let costMs = 0;
  let atMostMs = Infinity;
  let failures = 0;
  return {
    spent(ms) {
      failures = 0;
      atMostMs = Infinity;
      costs.push(ms);
      if (costs.length > REMEMBERED) costs.shift();
      costMs = Math.max(0, Math.min(...costs));
    },
    failed(ms) {
      costMs = ms;
      atMostMs = FIRST_RETRY_MS * 2 ** failures;
      failures += 1;
    },
    pauseMs: (share = SHARE) => Math.min(costMs * (share - 1), atMostMs),
  };
}
