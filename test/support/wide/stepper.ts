import { isDeepStrictEqual } from 'node:util';
import { step } from '../../../agent/lifecycle/step.ts';
import { frozen } from '../world/frozen.ts';
import type { World } from './world.ts';

/**
 * The product's `step`, counted. In a strict world it has to show that it is a pure function: what it is given is
 * frozen, and the same twice gives the same.
 */
export function createStepper({ isStrict, verdicts, coverage }: World): typeof step {
  return (policy, state, event) => {
    const taken = isStrict ? step(policy, frozen(state), frozen(event)) : step(policy, state, event);
    coverage.step(taken[0].phase);
    if (isStrict && !isDeepStrictEqual(step(policy, state, event), taken))
      verdicts.broken('not pure', [event.type, state.phase]);
    return taken;
  };
}
