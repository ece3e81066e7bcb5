/** How long to wait before a balancer or source that did not answer is asked again. */
export interface Backoff {
  answered(): void;
  failed(): void;
  /** Milliseconds from the last failure on; 0 after an answer. */
  readonly pauseMs: () => number;
}

const FIRST_MS = 100;
/**
 * Well below the two seconds in which a drain has to react, and the one in which a lost drain is written again
 * (I3).
 */
const LONGEST_MS = 800;

/**
 * Twice as long after each failure, up to a limit, and at random moments: a thousand sidecars that found
 * HAProxy's ten connections taken must not come back together.
 * @param random from 0 to 1
 */
export function createBackoff(random: () => number): Backoff {
  let failures = 0;
  let pause = 0;
  return {
    answered() {
      failures = 0;
      pause = 0;
    },
    failed() {
      const longest = Math.min(FIRST_MS * 2 ** failures, LONGEST_MS);
      pause = longest * (0.5 + random() / 2);
      failures += 1;
    },
    pauseMs: () => pause,
  };
}
