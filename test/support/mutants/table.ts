import type { Mutant } from './mutant.ts';

export const MUTANTS: readonly Mutant[] = [
  {
    name: 'an unknown number of connections counts as zero',
    breaks: 'I7',
    file: 'count.ts',
    find: '  if (!balancer || !isKnown(balancer, since)) return null;',
    replace: '  if (!balancer || !isKnown(balancer, since)) return 0;',
  },
  {
    name: 'MAINT is said over READY as if nobody could be there',
    breaks: 'I16',
    file: 'servers.ts',
    find: "  return isHolding(state) && hold?.admin === 'maint';",
    replace: '  return true;',
  },
  {
    name: 'a word is said before the intent is on disk',
    breaks: 'I8',
    file: 'servers.ts',
    find: "  if (!isDurable(turn.state) || turn.state.phase === 'recovering') return;",
    replace: "  if (turn.state.phase === 'recovering') return;",
  },
  {
    name: "an operator's DRAIN or MAINT is nobody's",
    breaks: 'I2',
    file: 'judge.ts',
    find: "  return forced !== 'ready' && forced !== want && !ours.includes(forced);",
    replace: '  return false;',
  },
  {
    name: 'the fence is raised although the gate has not answered',
    breaks: 'gate',
    file: 'gate.ts',
    find: '  return !turn.policy.hasGate || turn.state.gate.is === is;',
    replace: '  return true;',
  },
];
