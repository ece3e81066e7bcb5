import { isRechecked } from './repeat-survey.ts';
import { abort } from './return.ts';
import { askBehindFence, askInDrain, shortAtDeadline } from './capacity.ts';
import { sameTotals, occupancy, totalsOf } from '../observed/counts.ts';
import { isHolding } from '../model/desired.ts';
import { stopsApp } from '../model/operation.ts';
import {
  openForeignDrain,
  recheckFence,
  newFence,
  noStop,
  raiseFence,
  unfenced,
  unfencedLines,
} from './fence.ts';
import { askSlot } from './slot.ts';
import { forcing, startForce, whoIsLeft } from './force-close.ts';
import { type Fence, NEW_OUTING, type Outing, type Quiet } from '../model/outing.ts';
import { PHASES, isOut } from '../model/phase.ts';
import { isSeenGone } from '../model/state.ts';
import { endOperation, finish, sourcesOf } from '../report/result.ts';
import { allInSync, allKnown, warnLeftOut } from '../sync/reconcile.ts';
import { isReloadOpen } from '../observed/surroundings.ts';
import { type Draft, alarm, enterPhase, setIntent, isDurable, patchOuting, warn } from '../step-draft.ts';
import { mayDropUsers } from '../sync/next-write.ts';

/** The way out: draining, settling, fencing, drained, stopping, stopped. */

export function draining(draft: Draft): void {
  if (goesOn(draft) === 'over' || !isZero(draft)) return;
  enterPhase(draft, 'settling');
  patchOuting(draft, { quiet: newQuiet(draft) });
}

/**
 * What ends each wait in DRAIN, however long it is: too few others, the deadline, a slot that is lost. `over`: the phase has
 * changed, or the intent is not on disk yet; else whether there are enough others, or that is not known.
 */
function goesOn(draft: Draft): 'go' | 'wait' | 'over' {
  if (!isDurable(draft.state)) return 'over';
  const capacity = askInDrain(draft);
  return capacity === 'moved' || isOverdue(draft) || askSlot(draft, -1) === 'moved' ? 'over' : capacity;
}

/** Every server is seen in its desired state, and every count asked since is 0. */
function isZero({ policy, state }: Draft): boolean {
  return allInSync(policy, state) && occupancy(policy, state, state.epochStartedAt) === 'zero';
}

export function settling(draft: Draft, { quiet, fenced }: Outing): void {
  const capacity = goesOn(draft);
  if (capacity === 'over') return;
  const { policy, state } = draft;
  if (!quiet || !isZero(draft)) {
    enterPhase(draft, 'draining');
    return patchOuting(draft, { quiet: null });
  }
  // Where no source counts users, a request between two polls is the only sign of them: quiet begins anew.
  if (policy.sources.length === 0 && !sameTotals(quiet.totals, totalsOf(state)))
    return patchOuting(draft, { quiet: newQuiet(draft) });
  if (draft.at - quiet.since < policy.quietMs) return;
  // Quiet counts only once every source and balancer has answered a question that was asked after it began.
  if (policy.quietMs > 0 && occupancy(policy, state, quiet.since) !== 'zero') return;
  if (capacity === 'wait' || isReloadOpen(state) || askSlot(draft, quiet.since) !== 'go') return;
  if (!isRechecked(draft, quiet.since)) return;
  if (!fenced) return isStillZero(draft, quiet) ? finishDrain(draft) : undefined;
  const open = openForeignDrain(policy, state);
  if (open !== null) {
    if (state.op)
      warn(draft, `open ${open}`, `${open} ${OPEN}: the node is not drained before its owner ends it`);
    return;
  }
  if (isStillZero(draft, quiet)) raiseFence(draft);
}

function newQuiet({ at, state }: Draft): Quiet {
  return { since: at, totals: totalsOf(state), overAt: null };
}

/**
 * The last thing before the fence: a balancer that has fallen silent counts until its look has failed, and its users would be cut
 * at all the others. So each has answered a look that was begun when all else was known; a moment before is soon enough.
 */
function isStillZero(draft: Draft, quiet: Quiet): boolean {
  const overAt = quiet.overAt ?? draft.at;
  if (quiet.overAt === null) patchOuting(draft, { quiet: { ...quiet, overAt } });
  return allKnown(draft.policy, draft.state, overAt - LAST_LOOK_MS);
}

/** Two pauses of the closest pace (`timing.ts`): where balancers answer at once nothing is waited for. */
const LAST_LOOK_MS = 100;

const OPEN = 'is held in DRAIN and not by lastcall';

export function fencing(draft: Draft, { force, fence }: Outing): void {
  if (!isDurable(draft.state)) return;
  if (force) {
    if (forcing(draft, force) === 'wait') return;
    const open = force.now ? null : insurmountable(draft);
    return open === null ? finishDrain(draft) : abort(draft, 'held', stillHeld(open));
  }
  if (isOverdue(draft)) return;
  const capacity = askBehindFence(draft);
  if (capacity === 'moved' || askSlot(draft, -1) === 'moved') return;
  const clear = recheckFence(draft);
  if (clear === 'clear') {
    if (capacity === 'go' && isAskedBeforeStop(draft, fence)) finishDrain(draft);
  } else if (clear === 'occupied')
    backToDraining(
      draft,
      'a user came in, or HAProxy was reloaded, before the fence was up; draining goes on',
    );
}

/** Before the intent to stop, so that between that and the stop there is one look and nothing else. */
function isAskedBeforeStop(draft: Draft, fence: Fence | null): boolean {
  const since = fence?.confirmedAt ?? null;
  return since === null || !stopsApp(draft.state.op?.kind) || isRechecked(draft, since);
}

/** MAINT would cut a sticky user who slipped in: DRAIN again, and wait for that user too. */
export function backToDraining(draft: Draft, why: string): void {
  warn(draft, 'slipped in', why);
  setIntent(draft, 'draining', { ...noStop(draft), outing: { level: 'drain', fence: null } });
}

export function warnUnfenced(draft: Draft): void {
  for (const line of unfencedLines(draft)) warn(draft, line, line);
}

/** Zero, fenced and looked at again. A drain ends here; for a stop the intent to stop goes to disk next. */
function finishDrain(draft: Draft): void {
  warnLeftOut(draft);
  if (draft.state.outing?.fenced !== false) warnUnfenced(draft);
  alarm(draft, 'drained', null);
  const { op, app, outing } = draft.state;
  if (op && stopsApp(op.kind)) {
    const fence = newFence(draft);
    setIntent(draft, 'drained', {
      app: { ...app, stopIssued: true },
      op: {
        ...op,
        countedAtStop: (app.gone ? op.countedAtStop : null) ?? sourcesOf(draft.policy, draft.state),
      },
      outing: { level: 'maint', fence, force: null },
    });
    finish(draft, ({ kind }) => kind === 'drain', 'done');
    return;
  }
  const { fenced = true, forcedOut = false } = outing ?? {};
  // The expiry is the operation's until here: one that the guard refuses leaves a drained node with the expiry it had.
  const { expiresMs, expiresAt } = op ? { ...op, expiresAt: null } : (outing ?? NEW_OUTING);
  endOperation(draft, { code: 'done' }, 'drained', {
    outing: {
      level: fenced ? 'maint' : 'drain',
      fence: null,
      force: null,
      // In mere DRAIN users who were forced out come back, and the drain waits for them again.
      forcedOut: forcedOut && fenced,
      expiresMs,
      expiresAt: expiresMs === null ? null : (expiresAt ?? draft.at + expiresMs),
      capacity: { ...(outing?.capacity ?? NEW_OUTING.capacity), drainedIn: fenced ? 'maint' : 'drain' },
    },
  });
}

/**
 * A reload undid the fence of a node that is out, and its application may live: users may have come in since, and
 * MAINT would cut them (I16). Writes DRAIN, in the same phase; a return or a stop begins from there.
 */
export function reopen(draft: Draft): void {
  const { policy, state } = draft;
  const { phase, outing } = state;
  if (outing?.level !== 'maint' || !isDurable(state) || mayDropUsers(state)) return;
  const { place, waits } = PHASES[phase];
  // Draining again behind a fence (a fresh application) expects that fence; `fencing` is setting one.
  const isBehindFence = place === 'out' || (waits && outing.fence === null);
  if (!isBehindFence && !(isHolding(state) && isOut(phase))) return;
  const open = unfenced(policy, state);
  if (open === null) return;
  warn(
    draft,
    `unfenced ${open}`,
    `${open} was found outside the fence, and the application may have users: DRAIN comes before MAINT`,
  );
  setIntent(draft, state.phase, { outing: { level: 'drain' } });
}

/** Nothing lives behind the DRAIN that came before MAINT: the node is fenced again, in the same phase. */
export function refence(draft: Draft): void {
  const { state } = draft;
  const { phase, outing, app } = state;
  if (outing?.level !== 'drain' || !outing.fenced || !isDurable(state)) return;
  if (PHASES[phase].place !== 'out' || PHASES[phase].ending) return;
  if (isSeenGone(state) && app.start === 'none') setIntent(draft, phase, { outing: { level: 'maint' } });
}

/**
 * A server held open at the deadline: force may not go over it either, but where the application ends in any case
 * (SIGTERM to `run --`).
 */
function insurmountable({ policy, state }: Draft): string | null {
  return state.outing?.fenced === false || policy.supervises ? null : openForeignDrain(policy, state);
}

function stillHeld(open: string): string {
  return `${open} ${OPEN}, still at the deadline; what was found is restored; let its owner end it, or use --force --reason at the start`;
}

/** The deadline of a drain: give back, hold, or force, by the policy. True when the phase has changed. */
export function isOverdue(draft: Draft): boolean {
  const { op } = draft.state;
  if (!op || draft.at < op.deadline) return false;
  const open = insurmountable(draft);
  if (open !== null && op.onTimeout !== 'hold') {
    abort(draft, 'held', stillHeld(open));
    return true;
  }
  const short = op.onTimeout === 'force' ? shortAtDeadline(draft) : null;
  if (short !== null) {
    abort(draft, 'guard', `${short}, at the deadline; what was found is restored`);
    return true;
  }
  const left = `the deadline passed with ${whoIsLeft(draft)} left${quietSoFar(draft)}`;
  switch (op.onTimeout) {
    case 'restore':
      abort(draft, 'deadline', `${left}; what was found is restored`);
      return true;
    case 'hold':
      stayDraining(draft, `${left}; still draining, \`lastcall ready\` undoes it`);
      return true;
    case 'force':
      if (askSlot(draft, op.deadline) === 'go') startForce(draft, 'the deadline passed', false);
      return true;
    default:
      return op.onTimeout satisfies never;
  }
}

/** A caller who reads that 0 sessions were left would not know what was waited for. */
function quietSoFar({ policy, state, at }: Draft): string {
  const { quiet = null } = state.outing ?? {};
  if (quiet === null || state.phase !== 'settling') return '';
  const [so, whole] = [at - quiet.since, policy.quietMs].map((ms) => (ms / 1_000).toFixed(1));
  return `, and quiet had lasted ${so} s of ${whole} s`;
}

function stayDraining(draft: Draft, message: string): void {
  const { expiresMs = null } = draft.state.op ?? {};
  const outing = { level: 'drain', fence: null, expiresMs, expiresAt: null } as const;
  endOperation(draft, { code: 'deadline', message }, 'draining', { ...noStop(draft), outing });
}
