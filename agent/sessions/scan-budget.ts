/** At most a thousandth of the time is spent on scans that hold HAProxy up, where no operation waits for them. */
const SHARE = 1_000;
const FIRST_RETRY_MS = 1_000;
const REMEMBERED = 3;

/** How often a scan may be made that costs HAProxy or the application time. */
export interface ScanBudget {
  /** A scan was made, at this cost in milliseconds. */
  spent(ms: number): void;
  /** A scan was given up after so many milliseconds; its cost to others is unknown. */
  failed(ms: number): void;
  /**
   * The pause until the next scan, in milliseconds from the end of the last one.
   * @param share one part in so many of the time may be spent on scans; default: a thousand
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
