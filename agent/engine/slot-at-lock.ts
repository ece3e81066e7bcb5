import type { State } from '../lifecycle/model/state.ts';
import { isLockBehind } from '../lifecycle/phases/slot.ts';
import { type Clock, withDeadline } from '../system/clock.ts';
import { LastcallError } from '../system/error.ts';

/** A lock answers within milliseconds; the caller does not wait longer for one that hangs. */
const LONGEST_MS = 2_000;

/**
 * A caller that has a result may ask for the next node at once. Where the lock does not know yet what has become of this
 * node's slot (it is about to be given back, or marked as failed), that is waited for; with `return.soak` the node keeps its
 * slot, and nothing is waited for.
 * @param runner `settled` resolves when the state may have changed
 * @returns null where nothing is waited for; else resolves once the lock has it, or has not answered in time
 */
export function untilLockKnows(
  runner: { readonly state: () => State; readonly settled: () => Promise<void> },
  clock: Clock,
  signal: AbortSignal,
): Promise<void> | null {
  if (!isLockBehind(runner.state())) return null;
  const late = (): LastcallError => new LastcallError('locked', 'the lock does not know of the slot yet');
  const known = withDeadline(clock, LONGEST_MS, signal, late, async (own) => {
    while (!own.aborted && isLockBehind(runner.state())) await runner.settled();
  });
  // The result is as true without it: the lock gets it as soon as it answers, or from the next engine.
  return known.catch(() => undefined);
}
