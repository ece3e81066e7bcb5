import { setImmediate as turn } from 'node:timers/promises';
import type { ManualClock } from './manual-clock.ts';

/** Moves the clock on by 20 ms at each turn of the event loop until the work is done, well or not. */
export async function driven<T>(clock: ManualClock, work: Promise<T>): Promise<T> {
  let isDone = false;
  const ended = work.finally(() => (isDone = true));
  // Code that waits for `ended` below gets its failure.
  ended.catch(() => undefined);
  while (!isDone) {
    clock.advance(20);
    await turn();
  }
  return ended;
}
