import { abort } from './return.ts';
import { askSiblings, isReadBack, lookOnce, patchCapacity } from './capacity-poll.ts';
import { isHolding } from '../model/desired.ts';
import { noStop } from './fence.ts';
import { askAnew, wasFenced } from '../observed/health.ts';
import { onlyWarns } from '../model/objection.ts';
import type { Request } from '../model/api.ts';
import {
  countOthers,
  countOthersAt,
  idleOf,
  type OthersCount,
  shortOf,
  shortageText,
  type GuardVerdict,
  verdictOf,
  wouldDo,
} from '../observed/other-servers.ts';
import { NEW_CAPACITY, type CapacityLevel, type Outing } from '../model/outing.ts';
import { isOutward, PHASES } from '../model/phase.ts';
import type { SiblingsSeen } from '../model/survey.ts';
import type { Policy } from '../model/policy.ts';
import { endOperation } from '../report/result.ts';
import type { State } from '../model/state.ts';
import { alarm, type EventOf, setIntent, type Draft, warn } from '../step-draft.ts';
import type { LookScope } from '../model/observation.ts';

/**
 * The capacity guard during a drain (INVARIANTS.md#other-promises). Required: enough other usable servers, at every
 * balancer, all the time. Cost: one row more with each poll, and a survey of the siblings where they are too few.
 * It is a guard and no lock: two nodes at once may both be in DRAIN until the next poll, but are never both fenced,
 * since each fence needs a poll, begun after its own DRAIN was read back, that shows the other one in service.
 */

/** How long the node with the lower name waits for the one with the higher name to give back. */
export const LOWER_WAITS_MS = 2_000;
/** How long enough others have to be usable before DRAIN is set again. */
export const ENOUGH_FOR_MS = 5_000;
/** So many looks in a row have to show too few others before the guard acts. */
const SHORT_LOOKS = 2;

/**
 * Must a poll count the other usable servers? From the first write of a drain until the node is `drained`, and
 * again before the stop. An operator's hold is not guarded.
 */
export function lookScope({ keep }: Policy, state: State): LookScope {
  const { phase, app } = state;
  const isAsked = isOutward(phase) && (!PHASES[phase].over || app.stopIssued);
  return keep > 0 && isAsked && !isHolding(state) ? 'capacity' : 'own';
}

/** `go`: no objection; `wait`: too little is known; `moved`: the phase has changed. */
export type Answer = 'go' | 'wait' | 'moved';

/** The found state is restored in place of DRAIN until enough others are usable. */
export function isYielding({ phase, outing }: Pick<State, 'phase' | 'outing'>): boolean {
  return outing?.level === 'found' && isOutward(phase);
}

/** With force, and for a request that cannot be refused, the guard only warns from then on, in this outing. */
export function overGuard(outing: Outing | null, request: Request): Pick<Outing, 'capacity'> {
  const { capacity = NEW_CAPACITY } = outing ?? {};
  const isOver = capacity.isOver || request.force || onlyWarns(request, 'guard');
  return { capacity: { ...capacity, isOver } };
}

/** A look came in: how often in a row has it shown too few? */
export function noteCapacity(draft: Draft, { balancer: balancerName, look }: EventOf<'polled'>): void {
  const { policy, state } = draft;
  const { outing } = state;
  if (!outing || look.capacity === undefined || state.balancers[balancerName]?.look !== look) return;
  const { capacity } = outing;
  patchCapacity(draft, { idle: { ...capacity.idle, ...idleOf(balancerName, look) } });
  const verdict = verdictOf(policy, countOthersAt(policy, draft.state, balancerName, -1));
  if (verdict === 'unknown') return;
  const looks = verdict === 'short' ? (capacity.shortLooks[balancerName] ?? 0) + 1 : 0;
  patchCapacity(draft, { shortLooks: { ...capacity.shortLooks, [balancerName]: looks } });
}

/** The siblings of our servers at one balancer, or that they could not be asked for: then none of them is waited for. */
export function onSiblings(draft: Draft, balancerName: string, seen: SiblingsSeen): void {
  const { capacity } = draft.state.outing ?? {};
  if (!capacity) return;
  const asked = capacity.asked.filter((name) => name !== balancerName);
  patchCapacity(draft, { asked, siblings: { ...capacity.siblings, [balancerName]: seen } });
}

/** Asked in DRAIN: before the fence, and all the time that users are waited for. */
export function askInDrain(draft: Draft): Answer {
  const { policy, state } = draft;
  const { outing } = state;
  if (!outing) return 'go';
  if (isYielding(state)) return yielding(draft, outing);
  if (!isAsked(policy, state)) return 'go';
  const short = shortOf(policy, state, state.epochStartedAt);
  if (outing.capacity.isOver) return goOnShort(draft, short);
  const verdict = verdictOf(policy, countOthers(policy, state, state.epochStartedAt));
  if (outing.capacity.read !== 'enough') return readBack(draft, outing, verdict);
  if (verdict === 'short' && isBelieved(outing.capacity, short))
    return giveBack(draft, outing, shortageText(policy, state, short));
  // After a reload DRAIN was written again, and only a poll begun after that write counts.
  return verdict === 'enough' && isReadBack(policy, state) ? 'go' : 'wait';
}

/** Asked behind the fence, before the fence counts and before the stop: a node in MAINT does not give back for one in DRAIN. */
export function askBehindFence(draft: Draft): Answer {
  const { policy, state } = draft;
  const { outing } = state;
  if (!outing || !isAsked(policy, state)) return 'go';
  const since = outing.fence?.confirmedAt ?? null;
  if (since === null) return askBeforeFence(draft, outing);
  const short = shortOf(policy, state, since);
  if (outing.capacity.isOver) return goOnShort(draft, short);
  const verdict = verdictOf(policy, countOthers(policy, state, since));
  if (verdict !== 'short') return verdict === 'enough' ? 'go' : 'wait';
  const stands = short.map((one) => wouldDo(policy, state, one, since, () => true));
  if (stands.every((enough) => enough === true)) return 'go';
  if (stands.includes(null) || !isBelieved(outing.capacity, short)) return askSiblings(draft, short);
  return leaveFence(draft, outing, shortageText(policy, state, short));
}

/** MAINT is not read back: a write that is refused or late may come when the others have become too few. */
function askBeforeFence(draft: Draft, outing: Outing): Answer {
  const { policy, state } = draft;
  const short = shortOf(policy, state, state.epochStartedAt);
  if (outing.capacity.isOver || short.length === 0 || !isBelieved(outing.capacity, short)) return 'wait';
  return leaveFence(draft, outing, shortageText(policy, state, short));
}

/** Why force may not go on at the deadline: too few others, as far as is known. */
export function shortAtDeadline({ policy, state }: Draft): string | null {
  if (!isAsked(policy, state) || state.outing?.capacity.isOver === true) return null;
  const short = shortOf(policy, state, state.epochStartedAt);
  return short.length === 0 ? null : shortageText(policy, state, short);
}

/** At the end of each step: the alarm lasts as long as the found state is restored. */
export function endGuardAlarm(draft: Draft): void {
  if (!isYielding(draft.state)) alarm(draft, 'guard', null);
}

/** When the guard goes on without an answer, in monotonic milliseconds. */
export function nextCapacity({ outing }: State): number[] {
  const { waitsSince = null, enoughSince = null } = outing?.capacity ?? {};
  return [
    ...(waitsSince === null ? [] : [waitsSince + LOWER_WAITS_MS]),
    ...(enoughSince === null ? [] : [enoughSince + ENOUGH_FOR_MS]),
  ];
}

/** Nothing is asked of a node whose application is gone, nor of one that was drained before: it costs nothing more. */
function isAsked({ keep }: Policy, { app, op, outing }: State): boolean {
  const { drainedIn = null } = outing?.capacity ?? {};
  return keep > 0 && !app.gone && (op !== null || drainedIn === null);
}

function isBelieved({ shortLooks }: CapacityLevel, short: readonly OthersCount[]): boolean {
  return short.some(({ at: balancerName }) => (shortLooks[balancerName] ?? 0) >= SHORT_LOOKS);
}

/**
 * Checks capacity with the poll that reads DRAIN back: another node may have begun its drain at the same moment.
 * The node with the higher `backend/server` restores the found state at once, the other one waits for that and then
 * restores too.
 */
function readBack(draft: Draft, outing: Outing, verdict: GuardVerdict): Answer {
  const { policy, state } = draft;
  if (verdict !== 'short') {
    if (!isReadBack(policy, state)) return lookOnce(draft, outing);
    if (verdict === 'unknown') return 'wait';
    patchCapacity(draft, { read: 'enough', waitsSince: null });
    return 'go';
  }
  const short = shortOf(policy, state, state.epochStartedAt);
  const { waitsSince } = outing.capacity;
  const higher = short.map((one) =>
    wouldDo(policy, state, one, state.epochStartedAt, (name) => name > one.name),
  );
  if (higher.includes(null)) return askSiblings(draft, short);
  const since = waitsSince ?? draft.at;
  if (higher.includes(false) || draft.at - since >= LOWER_WAITS_MS)
    return giveBack(draft, outing, shortageText(policy, state, short));
  if (waitsSince === null) patchCapacity(draft, { waitsSince: since });
  return askSiblings(draft, short);
}

/** Too few others: right after DRAIN was first read back the operation ends; later it goes on, and the node waits in service. */
function giveBack(draft: Draft, { capacity }: Outing, why: string): Answer {
  if (capacity.drainedIn !== null) return stayOut(draft, capacity.drainedIn, why);
  if (draft.state.op !== null && capacity.read === 'never') {
    abort(draft, 'guard', `${why}, now that it is in DRAIN; what was found is restored; ${WAYS}`);
    return 'moved';
  }
  warn(draft, 'too few: given back', `${why}; what was found was put back for the time being`);
  alarm(
    draft,
    'guard',
    `${why}; what was found is put back until enough are usable for ${ENOUGH_FOR_MS / 1_000} s`,
  );
  // Over a fence of ours READY takes probes that were begun after this (I15).
  if (wasFenced(draft.state)) askAnew(draft);
  const outing = { level: 'found', fence: null, capacity: again(capacity) } as const;
  setIntent(draft, 'draining', { ...noStop(draft), outing });
  return 'moved';
}

const WAYS = 'bring another back first, or use --force --reason';

/** In service again: the deadline ends the operation, and enough others for long enough bring DRAIN again. */
function yielding(draft: Draft, { capacity }: Outing): Answer {
  const { policy, state } = draft;
  const { op, epochStartedAt } = state;
  const isEnough = verdictOf(policy, countOthers(policy, state, epochStartedAt)) === 'enough';
  const since = isEnough ? (capacity.enoughSince ?? draft.at) : null;
  const isFree = capacity.isOver || !isAsked(policy, state);
  if (isFree || (since !== null && draft.at - since >= ENOUGH_FOR_MS)) {
    setIntent(draft, 'draining', { outing: { level: 'drain', capacity: again(capacity) } });
  } else if (op !== null && draft.at >= op.deadline) {
    const short = shortOf(policy, state, epochStartedAt);
    const why =
      short.length > 0
        ? shortageText(policy, state, short)
        : 'other usable servers were too few, or unknown, for too long';
    abort(draft, 'guard', `${why}, still at the deadline; what was found is restored; ${WAYS}`);
  } else if (since !== capacity.enoughSince) patchCapacity(draft, { enoughSince: since });
  return 'moved';
}

/** DRAIN comes first, and there it is asked again. */
function leaveFence(draft: Draft, { capacity }: Outing, why: string): Answer {
  if (capacity.drainedIn !== null) return stayOut(draft, capacity.drainedIn, why);
  warn(draft, 'too few: behind the fence', `${why}, behind the fence; back to DRAIN`);
  setIntent(draft, 'draining', { ...noStop(draft), outing: { level: 'drain', fence: null } });
  return 'moved';
}

/** A node that was drained before the operation stays as it was: nothing was changed. */
function stayOut(draft: Draft, level: 'drain' | 'maint', why: string): Answer {
  const message = `${why}; the node stays drained; ${WAYS}`;
  // A user may have come in meanwhile: drain once more.
  const isThere = draft.state.outing?.level === level;
  const outing = { level: isThere ? level : 'drain', fence: null, fenced: level === 'maint' } as const;
  endOperation(draft, { code: 'guard', message }, isThere ? 'drained' : 'draining', {
    ...noStop(draft),
    outing,
  });
  return 'moved';
}

/** Continues because an operator forced it, or because of a shutdown. */
function goOnShort(draft: Draft, short: readonly OthersCount[]): Answer {
  if (short.length > 0)
    warn(draft, 'too few: forced', `${shortageText(draft.policy, draft.state, short)}; forced`);
  return 'go';
}

function again({ idle, isOver, drainedIn }: CapacityLevel): CapacityLevel {
  return { ...NEW_CAPACITY, idle, isOver, drainedIn, read: 'again' };
}
