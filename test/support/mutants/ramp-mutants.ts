import type { Mutant } from './mutant.ts';

/** Faults in the weights of the way back (`return.warmUp`). */
export const RAMP_MUTANTS: readonly Mutant[] = [
  {
    name: 'READY is set before the weight is low',
    breaks: 'warmUp',
    file: 'model/ramp.ts',
    find: "  return ramp?.by === 'steps' && !ramp.isLow;",
    replace: '  return false;',
    dims: ['ramp'],
  },
  {
    name: 'the weight is whole as soon as the server is UP',
    breaks: 'warmUp',
    file: 'model/ramp.ts',
    find: '  return steps[step] ?? full;',
    replace: '  return since === null ? (steps[step] ?? full) : full;',
    dims: ['ramp'],
  },
  {
    name: 'a weight that an operator has set is taken for one of the ramp',
    breaks: 'I2',
    file: 'phases/ramp.ts',
    find: '    return endByOther(draft, placed, view.weight, ramp);',
    replace:
      '    return patchRamp(draft, placed.balancerName, placed.name, { ours: [...ramp.ours, view.weight] });',
    dims: ['ramp'],
  },
  {
    name: 'a weight that was lowered is forgotten in a crash',
    breaks: 'I4',
    file: 'recovery/restore.ts',
    find: '    ramp: ramp && {',
    replace: '    ramp: null && {',
    dims: ['ramp'],
  },
  {
    name: 'a weight stays low where the way back is left',
    breaks: 'I4',
    file: 'phases/ramp.ts',
    find: '  const want = isRising ? weightAt(timed, draft.at) : ramp.full;',
    replace: '  const want = isRising ? weightAt(timed, draft.at) : (view.weight ?? ramp.full);',
    dims: ['ramp'],
  },
];
