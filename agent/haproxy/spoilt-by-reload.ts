import { sleep, type Clock } from '../system/clock.ts';
import { isLastcallError, LastcallError, type ErrorDetail } from '../system/error.ts';

/** A reload between two answers, or in the moment of one: the new worker answers a moment later. */

/** From an attempt that met a reload to the next, in milliseconds. */
const PAUSE_MS = 50;
/** No attempt is begun later than this, in milliseconds: a worker that stops may have no successor. */
const PATIENCE_MS = 2_000;

/**
 * The error where a reload has spoilt an answer: it came from a worker that is stopping, or from more than one.
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
 * Asks again where a reload has spoilt an answer, for a question that no poll repeats.
 * @throws whatever the last attempt threw, with the time since the first one; the signal's reason
 */
export async function againAfterReload<T>(
  clock: Clock,
  signal: AbortSignal,
  attempt: () => Promise<T>,
): Promise<T> {
  const began = clock.now();
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (!isLastcallError(error) || !error.transient) throw error;
      const elapsedMs = clock.now() - began;
      if (elapsedMs + PAUSE_MS > PATIENCE_MS) throw lasting(error, elapsedMs);
    }
    await sleep(clock, PAUSE_MS, signal);
  }
}

function lasting({ code, message, target, next }: LastcallError, elapsedMs: number): LastcallError {
  const named = { ...(target === undefined ? {} : { target }), ...(next === undefined ? {} : { next }) };
  return new LastcallError(code, message, { ...named, elapsedMs, transient: true });
}
