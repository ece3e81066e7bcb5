import { remainingSessions } from '../observed/counts.ts';
import { PHASES } from '../model/phase.ts';
import type { State } from '../model/state.ts';
import { emit, isDurable, patch, type Draft } from '../draft.ts';

/** The warnings before the deadline: a hook is called while there is time to act. */

/** Runs the hooks that have fallen due on the way out, each once in an operation. */
export function runDueWarnings(draft: Draft): void {
  const { policy, state } = draft;
  const { op } = state;
  if (!op || op.outcome || !isWaiting(state) || !isDurable(state)) return;
  const due = policy.warnBeforeMs.map((_before, rung) => rung).filter((rung) => isDue(draft, rung));
  for (const rung of due) {
    emit(draft, {
      type: 'send-warning',
      rung,
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

function isDue({ policy, state, at }: Draft, rung: number): boolean {
  const { op } = state;
  const before = policy.warnBeforeMs[rung];
  return op !== null && before !== undefined && !op.warned.includes(rung) && at >= op.deadline - before;
}

function isWaiting({ phase }: State): boolean {
  return PHASES[phase].waits;
}

/** When the next hook falls due, in monotonic milliseconds. */
export function nextWarningTimes(warnBeforeMs: readonly number[], state: State): number[] {
  const { op } = state;
  if (!op || !isWaiting(state)) return [];
  return warnBeforeMs.flatMap((before, rung) => (op.warned.includes(rung) ? [] : [op.deadline - before]));
}
