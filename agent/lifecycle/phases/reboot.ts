import type { Code } from '../../system/error.ts';
import { noStop, stillLevel } from './fence.ts';
import { warm } from './return.ts';
import type { Operation } from '../model/operation.ts';
import type { Policy } from '../model/policy.ts';
import { endOperation } from '../report/result.ts';
import { type Changes, type Draft, emit, type EventOf, isDurable, patch, setIntent } from '../step-draft.ts';

/**
 * The reboot of the machine, behind a stop: its intent is on disk, then it is asked for, once in an operation (I6). The
 * sidecar of the next boot knows it by that record and goes on.
 */

/** The application is stopped: the intent goes to disk, since after the boot nothing else shows who asked for it. */
export function intendReboot(draft: Draft): void {
  changeOp(draft, { reboot: 'intended', deadline: draft.at + draft.policy.rebootMs });
  setIntent(draft, 'stopped');
}

/** A stopped node that is to be rebooted: asks for it, and waits for it for a bounded time. */
export function rebooting(draft: Draft): void {
  const { op, app } = draft.state;
  if (op?.kind !== 'reboot' || !isDurable(draft.state)) return;
  if (op.reboot === 'intended') {
    if (!app.gone) return failReboot(draft, 'failed', RUNS_AGAIN);
    changeOp(draft, { reboot: 'sent' });
    return emit(draft, { type: 'reboot', id: op.id });
  }
  if (op.reboot === 'sent' && draft.at >= op.deadline) failReboot(draft, 'failed', overdue(draft.policy));
}

const RUNS_AGAIN = 'the application was started again after it had been stopped, so no reboot was asked for';

function overdue({ rebootMs }: Policy): string {
  return `the reboot that was asked for has not come within ${rebootMs / 1_000} s (see \`systemctl list-jobs\`)`;
}

export function onRebootAsked(draft: Draft, { id }: EventOf<'reboot-asked'>): void {
  if (draft.state.op?.id !== id) return;
  emit(draft, { type: 'log', level: 'info', text: 'the reboot of the machine was asked for' });
}

/** It will not come: the machine's systemd has refused it. */
export function onRebootRefused(draft: Draft, { id, code, error }: EventOf<'reboot-refused'>): void {
  const { op } = draft.state;
  if (op?.id === id && op.reboot === 'sent') failReboot(draft, code, `the machine is not rebooted: ${error}`);
}

/** The disk does not hold the intent: after the boot the sidecar would take it for another's. */
export function loseReboot(draft: Draft, error: string): void {
  if (draft.state.op?.reboot !== 'intended' || !isDurable(draft.state)) return;
  failReboot(draft, 'state-write', `${error}; the reboot was not asked for; free the disk`);
}

/** The reboot has come: the way back begins, with a time of its own. */
export function bringUp(draft: Draft): void {
  const { op } = draft.state;
  if (op) changeOp(draft, { deadline: draft.at + op.returnMs });
  warm(draft);
}

/** The machine has booted before this operation had asked for it: a power cut, or an operator. It is not rebooted once more. */
export function endCut(draft: Draft): void {
  const outing = { level: stillLevel(draft.policy, draft.state), fence: null, force: null };
  failReboot(draft, 'failed', CUT, { ...noStop(draft), outing });
}

export const CUT = 'the machine was booted (a power cut, or by another hand) before its reboot was asked for';

/** The node stays out, whatever becomes of its users elsewhere: an operator has to see to the machine. */
function failReboot(draft: Draft, code: Code, why: string, changes: Changes = {}): void {
  const next = '`lastcall ready` brings it back, `lastcall reboot` tries again';
  endOperation(
    draft,
    { code, message: `${draft.policy.node}: ${why}; the node stays out: ${next}` },
    'failed',
    changes,
  );
}

function changeOp(draft: Draft, changes: Partial<Operation>): void {
  const { op } = draft.state;
  if (op) patch(draft, { op: { ...op, ...changes } });
}
