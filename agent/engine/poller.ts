import type { Clock } from '../system/clock.ts';

/** Asks over and over, one question at a time. */
export interface Poller {
  /** Asks at once, or as soon as it may; while a question is under way, once more right after it. */
  kick(): void;
  /** Asks at once, even within the least pause: an operation waits for this answer alone. While a question is under way, once more after it. */
  confirm(): void;
  /** Asks no more. */
  stop(): void;
}

/**
 * @param ask resolves when the question is over; it must not reject
 * @param pauseMs asked after each question: how long until the next
 * @param minPauseMs asked before each question but the first and those that confirm: how long after the last one it
 *   has to wait, kick or not
 */
export function createPoller(
  clock: Clock,
  ask: () => Promise<void>,
  pauseMs: () => number,
  minPauseMs: () => number = () => 0,
): Poller {
  let stopped = false;
  let asking = false;
  let again = false;
  let isUrgent = false;
  let ended = -Infinity;
  let cancelTimer = (): void => undefined;

  const round = async (): Promise<void> => {
    asking = true;
    do {
      again = isUrgent = false;
      await ask();
      ended = clock.now();
    } while (!stopped && (isUrgent || (again && minPauseMs() <= 0)));
    asking = false;
    if (!stopped) wait(again ? 0 : pauseMs());
  };
  const begin = (): void => void round();
  const wait = (ms: number): void => {
    cancelTimer();
    cancelTimer = clock.after(Math.max(ms, ended + minPauseMs() - clock.now()), begin);
  };

  return {
    kick() {
      if (stopped) return;
      if (asking) again = true;
      else if (ended + minPauseMs() > clock.now()) wait(0);
      else {
        cancelTimer();
        begin();
      }
    },
    confirm() {
      if (stopped) return;
      if (asking) return void (isUrgent = true);
      cancelTimer();
      begin();
    },
    stop() {
      stopped = true;
      cancelTimer();
    },
  };
}
