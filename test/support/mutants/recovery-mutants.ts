import type { Mutant } from './mutant.ts';

/** Faults in what a sidecar takes for its own, or goes on with, while it wants nothing. */
export const RECOVERY_MUTANTS: readonly Mutant[] = [
  {
    name: 'what an operator sets while nothing is wanted is not marked',
    breaks: 'I2',
    file: 'sync/ownership.ts',
    find: '  if (target === null) return noteWhileUnwanted(draft, balancerName, view, own);',
    replace: '  if (target === null) return;',
    dims: ['operators', 'container'],
  },
  {
    name: 'a return of which nothing was wanted closes the node after a crash',
    breaks: 'I11',
    file: 'phases/fence.ts',
    find: "  return state.outing?.level === 'none' ? 'none' : stillLevel(policy, state);",
    replace: '  return stillLevel(policy, state);',
    dims: ['probe', 'failures'],
  },
  {
    name: 'a ramp begins while a DRAIN of before is on its way',
    breaks: 'warmUp',
    file: 'phases/ramp.ts',
    find: "  const begins = server.inSync && view.operational === 'up';",
    replace: "  const begins = view.operational === 'up';",
    dims: ['ramp', 'container'],
  },
];
