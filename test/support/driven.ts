import { setImmediate as turn } from 'node:timers/promises';
import type { ManualClock } from './manual-clock.ts';

/** Moves the clock on by 20 ms at each turn of the event loop until the work is done, well or not. */
export async function driven<T>(clock: ManualClock, work: Promise<T>): Promise<T> {
  let isDone = false;
  const done = (): void => void (isDone = true);
  work.then(done, done);
  while (!isDone) {
    clock.advance(20);
    await turn();
  }
  return work;
}
