import type { Clock } from '../system/clock.ts';

/** Asks over and over, one question at a time. */
export interface Poller {
  /** Asks at once; while a question is under way, once more right after it. */
  kick(): void;
  /** Asks no more. */
  stop(): void;
}

/**
 * @param ask answers when the question is over; it must not throw
 * @param pauseMs asked after each question: how long until the next
 */
export function createPoller(clock: Clock, ask: () => Promise<void>, pauseMs: () => number): Poller {
  let stopped = false;
  let asking = false;
  let again = false;
  let cancelTimer = (): void => undefined;

  const round = async (): Promise<void> => {
    asking = true;
    do {
      again = false;
      await ask();
    } while (again && !stopped);
    asking = false;
    if (!stopped) cancelTimer = clock.after(pauseMs(), begin);
  };
  const begin = (): void => void round();

  return {
    kick() {
      if (stopped) return;
      if (asking) again = true;
      else {
        cancelTimer();
        begin();
      }
    },
    stop() {
      stopped = true;
      cancelTimer();
    },
  };
}
