import { warm } from './return.ts';
import { askSlot } from './slot.ts';
import { askBehindFence } from './capacity.ts';
import { connectionsOf, occupancy } from '../observed/counts.ts';
import { evidenceOfLife } from '../observed/evidence.ts';
import { openForeignDrain, recheckFence, noStop, unfenced } from './fence.ts';
import { forgetGate } from './gate.ts';
import { askAnew } from '../observed/health.ts';
import { backToDraining, isOverdue, warnUnfenced } from './drain.ts';
import { comesBack } from '../model/operation.ts';
import type { Outing } from '../model/outing.ts';
import { intendReboot } from './reboot.ts';
import { UNPROVEN_END } from '../observed/unproven-end.ts';
import { endOperation, finish } from '../report/result.ts';
import { type App, isSeenGone, NOT_YET_CHECKED_END } from '../model/state.ts';
import { isReloadOpen } from '../observed/surroundings.ts';
import {
  type EventOf,
  type Draft,
  alarm,
  emit,
  enterPhase,
  setIntent,
  isDurable,
  patch,
  patchOuting,
  warn,
} from '../step-draft.ts';
import type { LifeSigns } from '../model/observation.ts';

/** The stop: the last look behind the fence, the stop itself, and what proves that the application has ended. */

export function drained(draft: Draft, { fenced, forcedOut }: Outing): void {
  const { policy, state } = draft;
  if (!isDurable(state)) return;
  if (state.app.stopIssued) return finalCheck(draft, forcedOut);
  if (forcedOut) return;
  if (occupancy(policy, state, state.epochStartedAt) === 'some') {
    if (fenced) alarm(draft, 'drained', 'a user is on the drained node; draining again');
    return setIntent(draft, 'draining', { outing: { level: 'drain' } });
  }
  const open =
    !fenced || isSeenGone(state) ? null : (unfenced(policy, state) ?? openForeignDrain(policy, state));
  if (open === null) return;
  alarm(draft, 'drained', `${open} was found outside the fence of the drained node; draining again`);
  setIntent(draft, 'draining', { outing: { level: 'drain' } });
}

const RESIDUAL_WINDOW =
  'a reload of HAProxy in the milliseconds between the last look and the stop would let new users in: configure drain.gate, or a reload that keeps state (balancers.stateFile)';

/** The window between the last look and the stop is kept to milliseconds: the record is on disk, now look and stop. */
function finalCheck(draft: Draft, forcedOut: boolean): void {
  const slot = askSlot(draft, draft.state.epochStartedAt);
  if (slot === 'moved' || (slot === 'wait' && forcedOut)) return;
  if (!forcedOut) {
    // Nothing waits for a question about a reload that has let users in: it is answered behind a fence alone.
    const open = isSeenGone(draft.state) ? null : unfenced(draft.policy, draft.state);
    if (open !== null)
      return backToDraining(draft, `${open} was found outside the fence before the stop; draining goes on`);
    // A reload that came while a stop of a node that is out was checked: who else is this application is asked first.
    if (isOverdue(draft) || isReloadOpen(draft.state)) return;
    const capacity = askBehindFence(draft);
    if (capacity === 'moved') return;
    const clear = recheckFence(draft);
    if (clear === 'wait' || (clear === 'clear' && (capacity === 'wait' || slot === 'wait'))) return;
    if (clear === 'occupied')
      return backToDraining(
        draft,
        'a user came in, or HAProxy was reloaded, before the stop; draining goes on',
      );
  }
  const { app, epoch } = draft.state;
  // Stopped before without a proof of its end: nothing has proven it since.
  if (app.gone && app.unprovenEnd !== null) return onStopped(draft, [UNPROVEN_END], true);
  if (app.gone) return onStopped(draft, ['the application had ended by itself before it was stopped']);
  warnUnfenced(draft);
  if (!draft.policy.hasGate && !draft.policy.reloadsKeepState && !draft.policy.readyTakesOver)
    warn(draft, 'reload before the stop', RESIDUAL_WINDOW);
  enterPhase(draft, 'stopping');
  patchOuting(draft, { force: null });
  emit(draft, { type: 'stop', epoch, proof: app.proof });
}

/**
 * A process that ended by itself may have been replaced by an operator, as long as anything answers for the
 * application.
 */
export function onStopAnswered(draft: Draft, { warnings, signs, unproven }: EventOf<'stopped'>): void {
  // Probes were bad since, or there are none.
  const evidence = evidenceAfterStop(draft, signs);
  if (evidence.length === 0) return onStopped(draft, warnings, unproven === true);
  patch(draft, { app: { ...draft.state.app, proof: null } });
  const why = `its process had ended; yet the application may be running (${evidence.join(', ')})`;
  failStop(draft, 'app-stop', `${why}; nothing was signalled; renew its pid file, then \`lastcall stop\``);
}

/** @param signs what was found where its process had ended; a child's end is seen by its parent, whatever answers */
export function evidenceAfterStop({ policy }: Draft, signs: LifeSigns | undefined): string[] {
  return signs === undefined || policy.supervises ? [] : evidenceOfLife(policy, 'down', signs);
}

/** @param unproven no process proves that the application is gone */
export function onStopped(draft: Draft, warnings: readonly string[], unproven = false): void {
  for (const [place, text] of warnings.entries()) warn(draft, `stop ${place}`, text);
  const { op } = draft.state;
  const app: App = {
    proof: null,
    gone: true,
    recordedEnd: null,
    appGoneAt: draft.at,
    unprovenEnd: unproven ? NOT_YET_CHECKED_END : null,
    stopIssued: false,
    start: 'none',
  };
  askAnew(draft);
  forgetGate(draft);
  const outing = { level: 'maint', fence: null, expiresMs: null, expiresAt: null } as const;
  if (!op || !comesBack(op.kind)) return endOperation(draft, { code: 'done' }, 'stopped', { app, outing });
  // The way back has a time of its own: a long drain must not leave the start without any.
  const sessionsLast = connectionsOf(draft.policy, draft.state);
  enterPhase(draft, 'stopped', { app, op: { ...op, sessionsLast, deadline: draft.at + op.returnMs } });
  patchOuting(draft, outing);
  finish(draft, ({ kind }) => kind === 'drain' || kind === 'stop', 'done');
  if (op.kind === 'reboot') intendReboot(draft);
  else warm(draft);
}

/** The stop did not work, or it is not known whether it did: the node stays out. */
export function failStop(draft: Draft, code: 'app-stop' | 'in-doubt' | 'state-write', message: string): void {
  const app = { ...noStop(draft).app, unprovenEnd: NOT_YET_CHECKED_END };
  endOperation(draft, { code, message }, 'failed', {
    app,
    outing: { fence: null, expiresMs: null, expiresAt: null },
  });
}
