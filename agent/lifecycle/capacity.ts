import { isHolding } from './desired.ts';
import { isOutward, PHASES } from './phases.ts';
import type { Policy } from './policy.ts';
import type { State } from './state.ts';
import type { LookScope } from './view.ts';

/**
 * Does a look have to tell how many others are usable? From the first word outward until the node is `drained`, and
 * again before the stop: the capacity guard is asked all that time. An operator's hold is his own wish.
 */
export function lookScope({ keep }: Policy, state: State): LookScope {
  const { phase, app } = state;
  const isAsked = isOutward(phase) && (!PHASES[phase].over || app.stopIssued);
  return keep > 0 && isAsked && !isHolding(state) ? 'capacity' : 'own';
}
