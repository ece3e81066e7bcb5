import { sleep, type Clock } from '../system/clock.ts';
import { isLastcallError, LastcallError, type ErrorDetail } from '../system/error.ts';

/** A reload between two answers, or in the moment of one: the new worker answers a moment later. */

/** From an attempt that met a reload to the next, in milliseconds. */
const PAUSE_MS = 50;

/**
 * The error where the answers came from more than one worker.
 * @param message names the target, and says what was asked
 */
export function reloadError(message: string, detail: ErrorDetail = {}): LastcallError {
  return new LastcallError('balancer-unreachable', message, {
    next: 'ask again',
    ...detail,
    transient: true,
  });
}

/**
 * Asks again where an answer was spoilt by a reload, for a question that no poll repeats.
 * @param ms no attempt is begun later than this; a worker that stops and has no successor is an error by then
 * @throws whatever the last attempt threw; the signal's reason
 */
export async function againAfterReload<T>(
  clock: Clock,
  ms: number,
  signal: AbortSignal,
  attempt: () => Promise<T>,
): Promise<T> {
  const until = clock.now() + ms;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (!isLastcallError(error) || !error.transient || clock.now() + PAUSE_MS > until) throw error;
    }
    await sleep(clock, PAUSE_MS, signal);
  }
}
