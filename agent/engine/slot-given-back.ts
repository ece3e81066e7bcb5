import type { State } from '../lifecycle/model/state.ts';
import { isGivingSlotBack } from '../lifecycle/phases/slot.ts';
import { type Clock, withDeadline } from '../system/clock.ts';
import { LastcallError } from '../system/error.ts';

/** A lock answers within milliseconds; the caller does not wait longer for one that hangs. */
const LONGEST_MS = 2_000;

/**
 * A caller that has a result may ask for the next node at once. Where this node's slot is about to be given back, that is
 * waited for; with `return.soak` the node keeps it, and nothing is waited for.
 * @param runner `settled` resolves when the state may have changed
 * @returns null where no slot is about to be given back; else resolves once it is, or the lock has not answered in time
 */
export function untilSlotGivenBack(
  runner: { readonly state: () => State; readonly settled: () => Promise<void> },
  clock: Clock,
  signal: AbortSignal,
): Promise<void> | null {
  if (!isGivingSlotBack(runner.state())) return null;
  const late = (): LastcallError => new LastcallError('locked', 'the slot is not given back yet');
  const given = withDeadline(clock, LONGEST_MS, signal, late, async (own) => {
    while (!own.aborted && isGivingSlotBack(runner.state())) await runner.settled();
  });
  // The result is as true without it: the slot is given back as soon as the lock answers, or by the next engine.
  return given.catch(() => undefined);
}
