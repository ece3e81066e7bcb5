import { warm } from './return.ts';
import { askBehindFence } from './capacity.ts';
import { connectionsOf, tally } from '../observed/counts.ts';
import { evidenceOfLife } from '../observed/evidence.ts';
import { heldOpen, lookAgain, noStop, unfenced } from './fence.ts';
import { forgetGate } from './gate.ts';
import { askAnew } from '../observed/health.ts';
import { backToDraining, isOverdue, warnUnfenced } from './drain.ts';
import type { Outing } from '../model/outing.ts';
import { UNPROVEN_END } from '../observed/remains.ts';
import { conclude, finish } from '../report/result.ts';
import { type App, UNKNOWN_REMAINS } from '../model/state.ts';
import { isReloadOpen } from '../observed/surroundings.ts';
import {
  type EventOf,
  type Turn,
  alarm,
  emit,
  enter,
  intend,
  isDurable,
  patch,
  patchOuting,
  warn,
} from '../draft.ts';
import type { LifeSigns } from '../model/observation.ts';

/** The stop: the last look behind the fence, the stop itself, and what proves that the application has ended. */

export function drained(turn: Turn, { fenced, forcedOut }: Outing): void {
  const { policy, state } = turn;
  if (!isDurable(state)) return;
  if (state.app.stopIssued) return lastLook(turn, forcedOut);
  if (forcedOut) return;
  if (tally(policy, state, state.epochAt) === 'some') {
    if (fenced) alarm(turn, 'drained', 'somebody is on the drained node; draining again');
    return intend(turn, 'draining', { outing: { level: 'drain' } });
  }
  const open = !fenced || state.app.gone ? null : (unfenced(policy, state) ?? heldOpen(policy, state));
  if (open === null) return;
  alarm(turn, 'drained', `${open} was found outside the fence of the drained node; draining again`);
  intend(turn, 'draining', { outing: { level: 'drain' } });
}

const RESIDUAL_WINDOW =
  'a reload of HAProxy in the milliseconds between the last look and the stop would let new users in: configure drain.gate, or a reload that keeps state (balancers.stateFile)';

/** The window between the last look and the stop is kept to milliseconds: the record is on disk, now look and stop. */
function lastLook(turn: Turn, forcedOut: boolean): void {
  if (!forcedOut) {
    // Nothing waits for a question about a reload that has let users in: it is answered behind a fence alone.
    const open = turn.state.app.gone ? null : unfenced(turn.policy, turn.state);
    if (open !== null)
      return backToDraining(turn, `${open} was found outside the fence before the stop; draining goes on`);
    // A reload that came while a stop of a node that is out was checked: who else is this application is asked first.
    if (isOverdue(turn) || isReloadOpen(turn.state)) return;
    const capacity = askBehindFence(turn);
    if (capacity === 'moved') return;
    const clear = lookAgain(turn);
    if (clear === 'wait' || (clear === 'clear' && capacity === 'wait')) return;
    if (clear === 'somebody')
      return backToDraining(
        turn,
        'somebody came in, or HAProxy was reloaded, before the stop; draining goes on',
      );
  }
  const { app, epoch } = turn.state;
  // Stopped before without a proof of its end: nothing has proven it since.
  if (app.gone && app.remains !== null) return onStopped(turn, [UNPROVEN_END], true);
  if (app.gone) return onStopped(turn, ['the application had ended by itself before it was stopped']);
  warnUnfenced(turn);
  if (!turn.policy.hasGate && !turn.policy.reloadsKeepState && !turn.policy.operatorReady)
    warn(turn, 'reload before the stop', RESIDUAL_WINDOW);
  enter(turn, 'stopping');
  patchOuting(turn, { force: null });
  emit(turn, { type: 'stop', epoch, proof: app.proof });
}

/**
 * A process that ended by itself may have been replaced by an operator, as long as anything answers for the
 * application.
 */
export function onStopAnswered(turn: Turn, { warnings, signs, unproven }: EventOf<'stopped'>): void {
  // Probes were bad since, or there are none.
  const evidence = signsAgainst(turn, signs);
  if (evidence.length === 0) return onStopped(turn, warnings, unproven === true);
  patch(turn, { app: { ...turn.state.app, proof: null } });
  const why = `its process had ended; yet the application may be running (${evidence.join(', ')})`;
  failStop(turn, 'app-stop', `${why}; nothing was signalled; renew its pid file, then \`lastcall stop\``);
}

/** @param signs what was found where its process had ended; a child's end is seen by its parent, whatever answers */
export function signsAgainst({ policy }: Turn, signs: LifeSigns | undefined): string[] {
  return signs === undefined || policy.supervises ? [] : evidenceOfLife(policy, 'down', signs);
}

/** @param unproven no process proves that the application is gone */
export function onStopped(turn: Turn, warnings: readonly string[], unproven = false): void {
  for (const [place, text] of warnings.entries()) warn(turn, `stop ${place}`, text);
  const { op } = turn.state;
  const app: App = {
    proof: null,
    gone: true,
    goneAt: turn.at,
    remains: unproven ? UNKNOWN_REMAINS : null,
    stopIssued: false,
    start: 'none',
  };
  askAnew(turn);
  forgetGate(turn);
  const outing = { level: 'maint', fence: null } as const;
  if (op?.kind !== 'restart') return conclude(turn, { code: 'done' }, 'stopped', { app, outing });
  // The way back has a time of its own: a long drain must not leave the start without any.
  const sessionsLast = connectionsOf(turn.policy, turn.state);
  enter(turn, 'stopped', { app, op: { ...op, sessionsLast, deadline: turn.at + op.returnMs } });
  patchOuting(turn, outing);
  finish(turn, ({ kind }) => kind === 'drain' || kind === 'stop', 'done');
  warm(turn);
}

/** The stop did not work, or it is not known whether it did: the node stays out. */
export function failStop(turn: Turn, code: 'app-stop' | 'in-doubt' | 'state-write', message: string): void {
  const app = { ...noStop(turn).app, remains: UNKNOWN_REMAINS };
  conclude(turn, { code, message }, 'failed', { app, outing: { fence: null } });
}
