import type { State } from '../lifecycle/model/state.ts';
import { isGivingBack } from '../lifecycle/phases/slot.ts';
import { type Clock, withDeadline } from '../system/clock.ts';
import { LastcallError } from '../system/error.ts';

/** A lock answers within milliseconds; the caller does not wait longer for one that hangs. */
const LONGEST_MS = 2_000;

/**
 * A caller that has the result of `ready` or `restart` asks for the next node at once: the slot is given back by then, or
 * the lock does not answer.
 * @param runner `settled` resolves when the state may have changed
 */
export async function untilSlotGivenBack(
  runner: { readonly state: () => State; readonly settled: () => Promise<void> },
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  if (!isGivingBack(runner.state())) return;
  const late = (): LastcallError => new LastcallError('locked', 'the slot is not given back yet');
  try {
    await withDeadline(clock, LONGEST_MS, signal, late, async (own) => {
      while (!own.aborted && isGivingBack(runner.state())) await runner.settled();
    });
  } catch {
    // The result is as true without it: the slot is given back as soon as the lock answers.
  }
}
