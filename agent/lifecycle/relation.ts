import { ON_THE_WAY_OUT, type OperationKind, type Phase } from './operation.ts';
import type { Operation } from './running.ts';

const RANK: Record<OperationKind, number> = { ready: 0, drain: 1, stop: 2, restart: 3, hold: 4, release: 4 };

/** What a request is to the operation that runs. */
export type Relation = 'same' | 'part' | 'passed' | 'stronger' | 'undo' | 'then-start' | 'busy';

export function relate(op: Operation, phase: Phase, kind: OperationKind): Relation {
  if (op.outcome) return kind === 'ready' ? 'undo' : 'busy';
  const goingOut = ON_THE_WAY_OUT.includes(phase);
  if (kind === op.kind) return 'same';
  if ([kind, op.kind].some((one) => one === 'hold' || one === 'release')) return 'busy';
  if (kind === 'ready')
    return goingOut ? 'undo' : phase === 'stopping' ? (op.kind === 'stop' ? 'then-start' : 'part') : 'part';
  if (op.kind === 'ready') return 'busy';
  if (RANK[kind] > RANK[op.kind]) return goingOut || phase === 'stopping' ? 'stronger' : 'busy';
  if (goingOut || (phase === 'stopping' && kind === 'stop')) return 'part';
  return phase === 'stopping' ? 'passed' : 'busy';
}
