import { remainingSessions } from '../observed/counts.ts';
import { PHASES } from '../model/phase.ts';
import type { State } from '../model/state.ts';
import { emit, isDurable, patch, type Draft } from '../step-draft.ts';

/** The warnings before the deadline: a hook is called while there is time to act. */

/** Runs the hooks that have fallen due on the way out, each once in an operation. */
export function runDueWarnings(draft: Draft): void {
  const { policy, state } = draft;
  const { op } = state;
  if (!op || op.outcome || !isWaiting(state) || !isDurable(state)) return;
  const due = policy.warnBeforeMs.map((_before, index) => index).filter((index) => isDue(draft, index));
  for (const index of due) {
    emit(draft, {
      type: 'send-warning',
      warningIndex: index,
      about: {
        id: op.id,
        operation: op.kind,
        sessions: remainingSessions(policy, state),
        secondsLeft: Math.max(0, Math.round((op.deadline - draft.at) / 1000)),
        onTimeout: op.onTimeout,
      },
    });
  }
  if (due.length > 0) patch(draft, { op: { ...op, warned: [...op.warned, ...due] } });
}

function isDue({ policy, state, at }: Draft, index: number): boolean {
  const { op } = state;
  const before = policy.warnBeforeMs[index];
  return op !== null && before !== undefined && !op.warned.includes(index) && at >= op.deadline - before;
}

function isWaiting({ phase }: State): boolean {
  return PHASES[phase].waits;
}

/** When the next hook falls due, in monotonic milliseconds. */
export function nextWarningTimes(warnBeforeMs: readonly number[], state: State): number[] {
  const { op } = state;
  if (!op || !isWaiting(state)) return [];
  return warnBeforeMs.flatMap((before, index) => (op.warned.includes(index) ? [] : [op.deadline - before]));
}
