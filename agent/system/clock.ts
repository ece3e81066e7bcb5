import { LastcallError } from './error.ts';

/** Time as a port: everything that waits takes one, so that a test can move half an hour in a millisecond. */
export interface Clock {
  /** Monotonic milliseconds. On Linux counted from the machine's boot, so two processes of one boot agree. */
  now(): number;
  /** Calendar time, for people and logs only; no deadline is built on it. */
  wall(): Date;
  /**
   * Runs `run` once after `ms` milliseconds; the answer cancels it. What has arrived by then is read first: a process that stood
   * still is not to take its own silence for that of its peer.
   */
  after(ms: number, run: () => void): () => void;
}

/** The machine's own clock. `process.hrtime` is CLOCK_MONOTONIC, which does not jump with the calendar. */
export const realClock: Clock = {
  now: () => Number(process.hrtime.bigint() / 1000n) / 1000,
  wall: () => new Date(),
  after(ms, run) {
    let next: NodeJS.Immediate | undefined;
    // Node runs timers before it reads, and immediates after it (nodejs.org, "The Node.js Event Loop").
    const timer = setTimeout(() => (next = setImmediate(run)), ms);
    return () => {
      clearTimeout(timer);
      clearImmediate(next);
    };
  },
};

/** Waits `ms` milliseconds on `clock`; rejects with the signal's reason as soon as it is aborted. */
export function sleep(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason as Error);
    const stop = clock.after(ms, () => {
      signal.removeEventListener('abort', aborted);
      resolve();
    });
    const aborted = (): void => {
      stop();
      reject(signal.reason as Error);
    };
    signal.addEventListener('abort', aborted, { once: true });
  });
}

/**
 * Runs `work` with a signal that aborts when `signal` does or after `ms` milliseconds, whichever is first (I10).
 * The race is against the signal too, so work that ignores it cannot hold its caller.
 * @throws whatever `work` throws, the outer signal's reason, or `late()` when time is up.
 */
export async function withDeadline<T>(
  clock: Clock,
  ms: number,
  signal: AbortSignal,
  late: () => LastcallError,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  signal.throwIfAborted();
  const own = new AbortController();
  const outer = (): void => own.abort(signal.reason);
  signal.addEventListener('abort', outer, { once: true });
  const cancel = clock.after(ms, () => own.abort(late()));
  const aborted = new Promise<never>((_resolve, reject) => {
    own.signal.addEventListener('abort', () => reject(own.signal.reason as Error), { once: true });
  });
  try {
    return await Promise.race([work(own.signal), aborted]);
  } finally {
    cancel();
    signal.removeEventListener('abort', outer);
    // Whatever `work` still holds open ends with it; nothing reads this reason any more.
    own.abort(new LastcallError('cancelled', 'the work is over'));
    aborted.catch(() => undefined);
  }
}
