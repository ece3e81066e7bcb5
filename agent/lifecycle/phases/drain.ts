import { isRechecked } from './ask-again.ts';
import { giveUp } from './return.ts';
import { askBehindFence, askInDrain, shortAtDeadline } from './capacity.ts';
import { sameTotals, tally, totalsOf } from '../observed/counts.ts';
import { isHolding } from '../model/desired.ts';
import { heldOpen, lookAgain, newFence, noStop, raiseFence, unfenced, unfencedLines } from './fence.ts';
import { forcing, startForce, whoIsLeft } from './force-close.ts';
import { NEW_OUTING, type Outing } from '../model/outing.ts';
import { PHASES, isOut } from '../model/phase.ts';
import { conclude, finish } from '../report/result.ts';
import { allConfirmed, warnLeftOut } from '../sync/reconcile.ts';
import { isReloadOpen } from '../observed/surroundings.ts';
import { type Turn, alarm, enter, intend, isDurable, patchOuting, warn } from '../draft.ts';
import { mayThrowOut } from '../sync/next-write.ts';

/** The way out: draining, settling, fencing, drained, stopping, stopped. */

export function draining(turn: Turn): void {
  if (!isDurable(turn.state) || askInDrain(turn) === 'moved' || isOverdue(turn)) return;
  if (!isZero(turn)) return;
  enter(turn, 'settling');
  patchOuting(turn, { quiet: { since: turn.at, totals: totalsOf(turn.state) } });
}

/** Every server is seen in its desired state, and every count asked since is 0. */
function isZero({ policy, state }: Turn): boolean {
  return allConfirmed(policy, state) && tally(policy, state, state.epochAt) === 'zero';
}

export function settling(turn: Turn, { quiet, fenced }: Outing): void {
  if (!isDurable(turn.state)) return;
  const capacity = askInDrain(turn);
  if (capacity === 'moved' || isOverdue(turn)) return;
  const { policy, state } = turn;
  if (!quiet || !isZero(turn)) {
    enter(turn, 'draining');
    return patchOuting(turn, { quiet: null });
  }
  // Where no source counts users, a request between two polls is the only sign of them: quiet begins anew.
  if (policy.sources.length === 0 && !sameTotals(quiet.totals, totalsOf(state)))
    return patchOuting(turn, { quiet: { since: turn.at, totals: totalsOf(state) } });
  if (turn.at - quiet.since < policy.quietMs) return;
  // Silence counts only if it was listened to at its end: each answer is newer than its beginning.
  if (policy.quietMs > 0 && tally(policy, state, quiet.since) !== 'zero') return;
  if (capacity === 'wait' || isReloadOpen(state)) return;
  if (!fenced) return arrive(turn);
  const open = heldOpen(policy, state);
  if (open !== null) {
    if (state.op)
      warn(turn, `open ${open}`, `${open} ${OPEN}: the node is not drained before its owner ends it`);
    return;
  }
  if (isRechecked(turn, quiet.since)) raiseFence(turn);
}

const OPEN = 'is held in DRAIN and not by lastcall';

export function fencing(turn: Turn, { force }: Outing): void {
  if (!isDurable(turn.state)) return;
  if (force) {
    if (forcing(turn, force) === 'wait') return;
    const open = force.now ? null : insurmountable(turn);
    return open === null ? arrive(turn) : giveUp(turn, 'held', stillHeld(open));
  }
  if (isOverdue(turn)) return;
  const capacity = askBehindFence(turn);
  if (capacity === 'moved') return;
  const clear = lookAgain(turn);
  if (clear === 'clear') {
    if (capacity === 'go') arrive(turn);
  } else if (clear === 'somebody')
    backToDraining(
      turn,
      'somebody came in, or HAProxy was reloaded, before the fence was up; draining goes on',
    );
}

/** MAINT would cut a sticky user who slipped in: DRAIN again, and wait for that user too. */
export function backToDraining(turn: Turn, why: string): void {
  warn(turn, 'slipped in', why);
  intend(turn, 'draining', { ...noStop(turn), outing: { level: 'drain', fence: null } });
}

export function warnUnfenced(turn: Turn): void {
  for (const line of unfencedLines(turn)) warn(turn, line, line);
}

/** Zero, fenced and looked at again. A drain ends here; for a stop the intent to stop goes to disk next. */
function arrive(turn: Turn): void {
  warnLeftOut(turn);
  if (turn.state.outing?.fenced !== false) warnUnfenced(turn);
  alarm(turn, 'drained', null);
  const { op, app, outing } = turn.state;
  if (op?.kind === 'stop' || op?.kind === 'restart') {
    const fence = newFence(turn);
    intend(turn, 'drained', {
      app: { ...app, stopIssued: true },
      outing: { level: 'maint', fence, force: null },
    });
    finish(turn, ({ kind }) => kind === 'drain', 'done');
    return;
  }
  const { fenced = true, forcedOut = false, expiresMs = null, expiresAt = null } = outing ?? {};
  conclude(turn, { code: 'done' }, 'drained', {
    outing: {
      level: fenced ? 'maint' : 'drain',
      fence: null,
      force: null,
      // In mere DRAIN the forced ones come back, and are waited for again.
      forcedOut: forcedOut && fenced,
      expiresAt: expiresMs === null ? null : (expiresAt ?? turn.at + expiresMs),
      capacity: { ...(outing?.capacity ?? NEW_OUTING.capacity), drainedIn: fenced ? 'maint' : 'drain' },
    },
  });
}

/**
 * A reload undid the fence of a node that is out, and its application may live: users may have come in since, and
 * MAINT would cut them (I16). Writes DRAIN, in the same phase; a return or a stop begins from there.
 */
export function reopen(turn: Turn): void {
  const { policy, state } = turn;
  const { phase, outing } = state;
  if (outing?.level !== 'maint' || !isDurable(state) || mayThrowOut(state)) return;
  const { place, waits } = PHASES[phase];
  // Draining again behind a fence (a fresh application) expects that fence; `fencing` is setting one.
  const isBehindFence = place === 'out' || (waits && outing.fence === null);
  if (!isBehindFence && !(isHolding(state) && isOut(phase))) return;
  const open = unfenced(policy, state);
  if (open === null) return;
  warn(
    turn,
    `unfenced ${open}`,
    `${open} was found outside the fence, and the application may have users: DRAIN comes before MAINT`,
  );
  intend(turn, state.phase, { outing: { level: 'drain' } });
}

/**
 * A server held open at the deadline: force may not go over it either, but where the application ends in any case
 * (SIGTERM to `run --`).
 */
function insurmountable({ policy, state }: Turn): string | null {
  return state.outing?.fenced === false || policy.supervises ? null : heldOpen(policy, state);
}

function stillHeld(open: string): string {
  return `${open} ${OPEN}, still at the deadline; what was found is restored; let its owner end it, or use --force --reason at the start`;
}

/** The deadline of a drain: give back, hold, or force, by the policy. True when the phase has changed. */
export function isOverdue(turn: Turn): boolean {
  const { op } = turn.state;
  if (!op || turn.at < op.deadline) return false;
  const open = insurmountable(turn);
  if (open !== null && op.onTimeout !== 'hold') {
    giveUp(turn, 'held', stillHeld(open));
    return true;
  }
  const short = op.onTimeout === 'force' ? shortAtDeadline(turn) : null;
  if (short !== null) {
    giveUp(turn, 'guard', `${short}, at the deadline; what was found is restored`);
    return true;
  }
  const left = `with ${whoIsLeft(turn)} left`;
  switch (op.onTimeout) {
    case 'restore':
      giveUp(turn, 'deadline', `the deadline passed ${left}; what was found is restored`);
      return true;
    case 'hold':
      stayDraining(turn, `the deadline passed ${left}; still draining, \`lastcall ready\` undoes it`);
      return true;
    case 'force':
      startForce(turn, 'the deadline passed', false);
      return true;
    default:
      return op.onTimeout satisfies never;
  }
}

function stayDraining(turn: Turn, message: string): void {
  const outing = { level: 'drain', fence: null } as const;
  conclude(turn, { code: 'deadline', message }, 'draining', { ...noStop(turn), outing });
}
