import type { Mutant } from './mutant.ts';

/** Faults in the slot of a node's pool. */
export const SLOT_MUTANTS: readonly Mutant[] = [
  {
    name: 'an operation begins without a slot',
    breaks: 'I5',
    file: 'phases/slot.ts',
    find: '  if (policy.pool === null || !takesOut(kind)) return false;',
    replace: '  if (policy.pool === null || takesOut(kind)) return false;',
  },
  {
    name: 'the slot is not read again before the fence and the stop',
    breaks: 'I5',
    file: 'phases/slot.ts',
    find: '  if (policy.pool === null || slot?.isOver === true || isHolding(state))',
    replace: '  if (policy.pool !== null || slot?.isOver === true || isHolding(state))',
  },
  {
    name: 'a node that is back keeps its slot',
    breaks: 'I5',
    file: 'phases/slot.ts',
    find: '    isAsked ||\n    waiting.length > 0 ||',
    replace: '    isAsked ||\n    waiting.length >= 0 ||',
  },
  {
    name: 'a request whose slot was lost is never answered',
    breaks: 'I14',
    file: 'phases/slot.ts',
    find: '  if (candidate?.turnAt != null || waiting.length > 0) return true;\n  return is',
    replace: '  if (candidate?.turnAt == null && waiting.length > 0) return true;\n  return is',
  },
  {
    name: 'a request that waits for a slot is accepted before the disk has it',
    breaks: 'I8',
    file: 'admission/slot-request.ts',
    find: '  resave(draft);\n  patch(draft, {\n    pending:',
    replace: '  patch(draft, {\n    pending:',
  },
  {
    name: 'the slot of a holder is freed while its servers are out',
    breaks: 'I5',
    file: 'phases/dead-holders.ts',
    find: "  return server.admin === 'ready' && ",
    replace: '  return server.admin.length > 0 && ',
  },
  {
    name: 'a slot names the servers that its node had when it was taken',
    breaks: 'I5',
    file: 'phases/claim.ts',
    find: '  if (servers === claim.servers) return slot;',
    replace: '  if (servers !== null) return slot;',
  },
  {
    name: 'a slot that was freed while no sidecar was there is waited for in DRAIN',
    breaks: 'I5',
    file: 'model/write-record.ts',
    find: '  return { claim, lock, wasHeld, isOver, failure,',
    replace: '  return { claim, lock, wasHeld: false, isOver, failure,',
    dims: ['slots'],
  },
  {
    name: 'a lock that does not answer is waited for without end',
    breaks: 'I10',
    file: 'phases/slot.ts',
    find: '  if (op !== null && op.outcome === null && at >= patienceOf(op.deadline, since)) {',
    replace: '  if (op !== null && op.outcome === null && at >= patienceOf(op.deadline, since) + 1e9) {',
  },
  {
    name: 'a slot is given back before READY was read back',
    breaks: 'I5',
    file: 'phases/slot.ts',
    find: '    (outing !== null && !isUntouched) ||\n',
    replace: "    (outing !== null && !isUntouched && phase !== 'returning') ||\n",
  },
  {
    name: 'a soak ends as soon as the node is well',
    breaks: 'soak',
    file: 'phases/soak.ts',
    find: '  setSoak(draft, at - since >= policy.soakMs ? null :',
    replace: '  setSoak(draft, at - since >= 0 ? null :',
  },
];
