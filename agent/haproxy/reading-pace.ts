import type { Clock } from '../system/clock.ts';
import { compileHotCode } from '../system/hot-code.ts';

/** So much is read without a pause: some two thousand entries of a stick table, which take HAProxy a millisecond or two. */
const BURST_BYTES = 256 * 1024;
/** A pause lasts so many times as long as reading the burst before it took, */
const TIMES_BURST = 2;
/** and no longer than this: a burst that took long has waited for HAProxy, not kept it busy. */
const LONGEST_PAUSE_MS = 20;
/** All pauses together take one part in so many of the time that the answer may take. */
const OF_TIMEOUT = 4;

/** How a very long answer is read: in bursts with pauses between, so that HAProxy's users come first. */
export interface ReadingPace {
  /**
   * To be called with the bytes of each piece that was read.
   * @returns for how long nothing is to be read now, in milliseconds; 0 = read on
   */
  pauseAfter(bytes: number): number;
  /** To be called when a pause is over. */
  resumed(): void;
  /** How long all pauses took so far, in milliseconds. */
  pausedMs(): number;
}

/**
 * HAProxy writes an answer as fast as it is read, and while it does, it and its reader keep a processor busy each: a whole stick
 * table of a million entries doubled the p99.9 of other requests on two cores. While nothing is read HAProxy fills the socket's
 * buffer and then rests.
 * @param timeoutMs the most that the whole answer may take, in milliseconds: the pauses take a quarter of it at most
 */
export function createReadingPace(clock: Clock, timeoutMs: number): ReadingPace {
  let [leftMs, pausedMs, unpaused] = [timeoutMs / OF_TIMEOUT, 0, 0];
  let burstBegan = clock.now();
  let pauseBegan = burstBegan;
  return {
    pauseAfter(bytes) {
      unpaused += bytes;
      if (unpaused < BURST_BYTES) return 0;
      compileHotCode();
      unpaused = 0;
      pauseBegan = clock.now();
      const ms = Math.min((pauseBegan - burstBegan) * TIMES_BURST, LONGEST_PAUSE_MS, leftMs);
      burstBegan = pauseBegan;
      return Math.max(0, ms);
    },
    resumed() {
      burstBegan = clock.now();
      pausedMs += burstBegan - pauseBegan;
      leftMs -= burstBegan - pauseBegan;
    },
    pausedMs: () => pausedMs,
  };
}
