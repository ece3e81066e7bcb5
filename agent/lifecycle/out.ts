import { isRechecked } from './again.ts';
import { giveUp, warm } from './back.ts';
import { connectionsOf, sameTotals, tally, totalsOf, workersOf } from './count.ts';
import { heldOpen, unfenced, lookAgain, raiseFence, wantDrain, wantMaint } from './fence.ts';
import { holding } from './hold.ts';
import { forcing, startForce, whoIsLeft } from './force.ts';
import { conclude, finish } from './result.ts';
import { allConfirmed, warnLeftOut } from './servers.ts';
import type { Fence } from './state.ts';
import { alarm, emit, enter, intend, isDurable, isHolding, patch, type Turn, warn } from './turn.ts';

/** The way out: draining, settling, fencing, drained, stopping, stopped. */

export function draining(turn: Turn): void {
  if (isHolding(turn.state)) return holding(turn);
  if (!isDurable(turn.state) || isOverdue(turn)) return;
  const { policy, state } = turn;
  if (!allConfirmed(policy, state) || tally(policy, state, state.epochAt) !== 'zero') return;
  enter(turn, 'settling', { quiet: { since: turn.at, totals: totalsOf(state) } });
}

export function settling(turn: Turn): void {
  if (isHolding(turn.state)) return holding(turn);
  if (!isDurable(turn.state) || isOverdue(turn)) return;
  const { policy, state } = turn;
  const { quiet } = state;
  if (!quiet || !allConfirmed(policy, state) || tally(policy, state, state.epochAt) !== 'zero') {
    enter(turn, 'draining', { quiet: null });
    return;
  }
  // Where nobody counts users, a request between two looks is the only sign of them: silence begins anew.
  if (policy.sources.length === 0 && !sameTotals(quiet.totals, totalsOf(state))) {
    patch(turn, { quiet: { since: turn.at, totals: totalsOf(state) } });
    return;
  }
  if (turn.at - quiet.since < policy.quietMs) return;
  // Silence counts only if somebody listened at its end: each answer is newer than its beginning.
  if (policy.quietMs > 0 && tally(policy, state, quiet.since) !== 'zero') return;
  if (state.noFence) return arrive(turn);
  const open = heldOpen(policy, state);
  if (open !== null) {
    if (state.op) warn(turn, `${open} ${OPEN}: the node is not drained before its owner ends it`);
    return;
  }
  if (isRechecked(turn, quiet.since)) raiseFence(turn);
}

const OPEN = 'is held in DRAIN and not by lastcall';

export function fencing(turn: Turn): void {
  if (!isDurable(turn.state)) return;
  const { force } = turn.state;
  if (force) {
    if (forcing(turn, force) === 'wait') return;
    const open = force.now ? null : insurmountable(turn);
    return open === null ? arrive(turn) : giveUp(turn, 'held', stillHeld(open));
  }
  if (isOverdue(turn)) return;
  const clear = lookAgain(turn);
  if (clear === 'clear') arrive(turn);
  else if (clear === 'somebody')
    backToDraining(
      turn,
      'somebody came in, or HAProxy was reloaded, before the fence was up; draining goes on',
    );
}

/** A sticky user who slipped in must not be thrown out by MAINT: DRAIN again, and wait for him too. */
function backToDraining(turn: Turn, why: string): void {
  warn(turn, why);
  intend(turn, 'draining', wantDrain, { fence: null, stopIssued: false });
}

/** Zero, fenced and looked at again. A drain ends here; for a stop the intent to stop goes to disk next. */
function arrive(turn: Turn): void {
  warnLeftOut(turn);
  alarm(turn, 'drained', null);
  const { op } = turn.state;
  if (op?.kind === 'stop' || op?.kind === 'restart') {
    const fence: Fence = { confirmedAt: null, totals: totalsOf(turn.state), workers: workersOf(turn.state) };
    intend(turn, 'drained', wantMaint, { stopIssued: true, fence, force: null });
    finish(turn, ({ kind }) => kind === 'drain', 'done');
    return;
  }
  const expiresMs = op?.expiresMs ?? null;
  conclude(turn, { code: 'done' }, 'drained', turn.state.noFence ? wantDrain : wantMaint, {
    fence: null,
    force: null,
    // In mere DRAIN the forced ones come back, and are waited for again.
    forcedOut: turn.state.forcedOut && !turn.state.noFence,
    expiresAt: expiresMs === null ? turn.state.expiresAt : turn.at + expiresMs,
  });
}

export function drained(turn: Turn): void {
  if (isHolding(turn.state)) return holding(turn);
  const { policy, state } = turn;
  if (!isDurable(state)) return;
  if (state.stopIssued) return lastLook(turn);
  if (state.forcedOut) return;
  if (tally(policy, state, state.epochAt) === 'some') {
    if (!state.noFence) alarm(turn, 'drained', 'somebody is on the drained node; draining again');
    return intend(turn, 'draining', wantDrain);
  }
  const open = state.noFence || state.appGone ? null : (unfenced(policy, state) ?? heldOpen(policy, state));
  if (open === null) return;
  alarm(turn, 'drained', `${open} was found outside the fence of the drained node; draining again`);
  intend(turn, 'draining', wantDrain);
}

const RESIDUAL_WINDOW =
  'a reload of HAProxy in the milliseconds between the last look and the stop would let new users in: configure drain.gate, or a reload that keeps state (balancers.stateFile)';

/** The window between the last look and the stop is kept to milliseconds: the record is on disk, now look and stop. */
function lastLook(turn: Turn): void {
  if (!turn.state.forcedOut) {
    if (isOverdue(turn)) return;
    const clear = lookAgain(turn);
    if (clear === 'wait') return;
    if (clear === 'somebody')
      return backToDraining(
        turn,
        'somebody came in, or HAProxy was reloaded, before the stop; draining goes on',
      );
  }
  if (turn.state.appGone)
    return onStopped(turn, ['the application had ended by itself before it was stopped']);
  if (!turn.policy.hasGate && !turn.policy.reloadsKeepState) warn(turn, RESIDUAL_WINDOW);
  enter(turn, 'stopping', { force: null });
  emit(turn, { type: 'stop', epoch: turn.state.epoch, proof: turn.state.proof });
}

/** The application is gone. */
export function onStopped(turn: Turn, warnings: readonly string[]): void {
  for (const text of warnings) warn(turn, text);
  const { op } = turn.state;
  const changes = {
    stopIssued: false,
    fence: null,
    appGone: true,
    goneAt: turn.at,
    proof: null,
    health: 'unknown',
    start: 'none',
  } as const;
  emit(turn, { type: 'reset-probe' });
  if (op?.kind !== 'restart') return conclude(turn, { code: 'done' }, 'stopped', wantMaint, changes);
  // The way back has the whole time again: a long drain must not leave the start without any.
  const sessionsLast = connectionsOf(turn.policy, turn.state);
  enter(turn, 'stopped', { ...changes, op: { ...op, sessionsLast, deadline: turn.at + op.timeoutMs } });
  finish(turn, ({ kind }) => kind === 'drain' || kind === 'stop', 'done');
  warm(turn);
}

/** The stop did not work, or nobody can say whether it did: the node stays fenced. */
export function failStop(turn: Turn, code: 'app-stop' | 'in-doubt' | 'state-write', message: string): void {
  conclude(turn, { code, message }, 'failed', wantMaint, { stopIssued: false, fence: null });
}

/**
 * A server held open at the deadline: force may not go over it either, but where the application ends in any case
 * (SIGTERM to `run --`).
 */
function insurmountable({ policy, state }: Turn): string | null {
  return state.noFence || policy.supervises ? null : heldOpen(policy, state);
}

function stillHeld(open: string): string {
  return `${open} ${OPEN}, still at the deadline; what was found is restored; let its owner end it, or use --force --reason at the start`;
}

/** The deadline of the way out: give back, hold, or force (the policy says which). True when the phase has changed. */
function isOverdue(turn: Turn): boolean {
  const { op } = turn.state;
  if (!op || turn.at < op.deadline) return false;
  const open = insurmountable(turn);
  if (open !== null && op.onTimeout !== 'hold') {
    giveUp(turn, 'held', stillHeld(open));
    return true;
  }
  const left = `with ${whoIsLeft(turn)} left`;
  switch (op.onTimeout) {
    case 'restore':
      giveUp(turn, 'deadline', `the deadline passed ${left}; what was found is restored`);
      return true;
    case 'hold':
      conclude(
        turn,
        {
          code: 'deadline',
          message: `the deadline passed ${left}; still draining, \`lastcall ready\` undoes it`,
        },
        'draining',
        wantDrain,
        { stopIssued: false, fence: null },
      );
      return true;
    case 'force':
      startForce(turn, 'the deadline passed', false);
      return true;
    default:
      return op.onTimeout satisfies never;
  }
}
