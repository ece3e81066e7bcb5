import type { Look } from '../../lifecycle/model/observation.ts';
import { sleep, type Clock } from '../../system/clock.ts';

/** Between the beginnings of two looks: however many poll us, HAProxy's socket is asked no more often. */
export const POLL_EVERY_MS = 25;

/**
 * Looks that polls share. Each caller gets a look that begins after its call, and so shows what an operator has done by
 * then; all calls that come before it begins get the same one. One look runs at a time, and each begins at least
 * `POLL_EVERY_MS` after the one before: a flood of polls takes neither HAProxy's connections nor its time.
 * @param look bounded by its own deadline
 */
export function createSharedPoll(
  clock: Clock,
  look: (signal: AbortSignal) => Promise<Look>,
): () => Promise<Look> {
  const never = new AbortController().signal;
  let running: Promise<unknown> = Promise.resolve();
  let begunAt = -Infinity;
  let next: Promise<Look> | null = null;

  const begin = async (): Promise<Look> => {
    await running;
    const early = begunAt + POLL_EVERY_MS - clock.now();
    if (early > 0) await sleep(clock, early, never);
    next = null;
    begunAt = clock.now();
    const answer = look(never);
    running = answer.catch(() => undefined);
    return answer;
  };
  return () => (next ??= begin());
}
