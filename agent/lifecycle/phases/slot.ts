import { abort } from './return.ts';
import { advanceSoak, soakMark } from './soak.ts';
import { isHolding } from '../model/desired.ts';
import { makeClaim, nameServers } from './claim.ts';
import type { OperationKind } from '../model/api.ts';
import { isOut, isOutward, PHASES } from '../model/phase.ts';
import { type PoolPolicy, RETRY_FIRST_MS } from '../model/policy.ts';
import { holderOf, type LockAsk, NEW_SLOT, type Slot, takesOut } from '../model/slot.ts';
import type { State } from '../model/state.ts';
import { alarm, emit, type EventOf, isDurable, patch, resave, save, type Draft } from '../step-draft.ts';

/**
 * The slot of the node's pool, a level: a node that is out, or is to go out, has a claim, which is asked for until it
 * holds a slot, and given back once nothing at any balancer is ours. HAProxy knows no fencing numbers, so the slot is
 * read again by a look begun after DRAIN was read back, before the fence and before the stop (INVARIANTS.md#i5). A
 * lock that does not answer, or a slot that is lost, stops steps outward; the way back needs no lock.
 */

/** From one question to the lock to the next, while a node is on its way out, or waits. */
const NEAR_MS = 500;
/** The same for a node that stays out: `unlock` may have freed its slot. */
const FAR_MS = 10_000;
const RETRY_LONGEST_MS = 5_000;
/** A request that cannot be refused waits only so long for an answer that cannot stop it. */
export const UNREFUSED_WAIT_MS = 1_000;
/** How long after the deadline the lock's answer is waited for; then what was found is put back. */
const PATIENCE_MS = 3_000;

/** At the end of each step: makes the claim, asks the lock, gives back. */
export function advanceSlot(draft: Draft): void {
  advanceSoak(draft);
  tellUnkept(draft);
  const { policy, state } = draft;
  if (policy.pool === null) return;
  if (state.slot === null) return needsClaim(state) ? makeClaim(draft, policy.pool) : undefined;
  const slot = nameServers(draft, policy.pool, state.slot);
  const ask = nextAsk(draft, slot);
  if (ask === null) return;
  // What went on without a slot is over, and what does so while this is under way is another operation.
  const isOver = slot.isOver && ask.does !== 'give';
  patch(draft, { slot: { ...slot, isOver, asked: ask.does } });
  emit(draft, { type: 'ask-lock', ask });
}

/** The configuration has another pool, or another lock, than the one that made the claim: its slot is out of reach. */
function tellUnkept(draft: Draft): void {
  const { slot } = draft.state;
  const { pool } = draft.policy;
  if (slot === null || (pool !== null && isOf(slot, pool))) return;
  const { claim, lock } = slot;
  const now = pool === null ? 'no lock any more' : `pool ${pool.name} at ${pool.lock.join(', ')} now`;
  const at = lock.length === 0 ? '' : ` at ${lock.join(', ')}`;
  const text = `the configuration has ${now}, and the slot of pool ${claim.pool}${at} was not given back: \`lastcall unlock ${claim.node} --reason TEXT\` at another node of that pool`;
  alarm(draft, 'slot', text);
  patch(draft, { slot: null });
  save(draft);
}

function isOf({ claim, lock }: Slot, pool: PoolPolicy): boolean {
  return claim.pool === pool.name && lock.some((address) => pool.lock.includes(address));
}

/** A node that is out needs a claim, also where it went out without one: the other nodes have to see it. */
function needsClaim({ candidate, waiting, outing, phase, op }: State): boolean {
  if (candidate?.turnAt != null || waiting.length > 0) return true;
  return outing !== null && isOut(phase) && op?.kind !== 'ready' && op?.outcome == null;
}

/** What has a claim keeps it until this is false: then it is given back. */
function keepsClaim({ candidate, pending, queue, waiting, outing, op, slot, phase }: State): boolean {
  const requests = [candidate?.request, pending?.request, ...queue].filter((one) => one !== undefined);
  // A `ready` in rotation that has not seen all of its servers yet has written nothing.
  const isUntouched = outing?.level === 'none' && PHASES[phase].place === 'rotation';
  const isAsked = requests.some(({ kind, dryRun }) => takesOut(kind) && !dryRun);
  return (
    (outing !== null && !isUntouched) ||
    slot?.soak != null ||
    isAsked ||
    waiting.length > 0 ||
    (op !== null && takesOut(op.kind))
  );
}

/**
 * The lock, which has answered so far, does not know yet what has become of this node's slot: it is about to be given back, or
 * to be marked, since the node did not come back.
 */
export function isLockBehind(state: State): boolean {
  const { slot } = state;
  if (slot === null || !slot.wasHeld || slot.is === 'lost' || slot.error !== null) return false;
  return !keepsClaim(state) || failureMark(state, slot) !== null;
}

/** At most one question at a time, none before the claim is on disk. */
function nextAsk({ state, at }: Draft, slot: Slot): LockAsk | null {
  const { claim, is, asked, view, error } = slot;
  if (asked !== null || state.saved < slot.save || state.phase === 'starting') return null;
  const isDue = at >= dueAt(state, slot);
  if (!keepsClaim(state))
    return isDurable(state) && (isDue || error === null) ? { does: 'give', claim } : null;
  if (is !== 'held') return isDue ? askUnheld(state, slot) : null;
  if (error !== null && !isDue) return null;
  // A slot that another hand has freed cannot be marked: it is looked at first.
  const mark = error === null ? (failureMark(state, slot) ?? soakMark(state, slot)) : null;
  if (mark !== null) return mark;
  return isDue || (view?.begun ?? -1) < slot.lookFor ? { does: 'look', claim } : null;
}

/** A new claim that the disk does not hold: after a crash the next life would know nothing of its slot. */
function isUnsaved({ alarms }: State, { save, answeredAt }: Slot): boolean {
  return alarms['disk'] !== undefined && save > 0 && answeredAt === null;
}

/** Takes a slot where one is wanted; its place would keep the others waiting for a node that asks for none any more. */
function askUnheld(state: State, slot: Slot): LockAsk | null {
  const { claim } = slot;
  if (isWanted(state, slot)) return isUnsaved(state, slot) ? null : { does: 'take', claim };
  return isQueued(slot) ? { does: 'give', claim } : null;
}

/** What was lost is not taken anew on the way back, which needs none, but where a request waits for its turn. */
function isWanted({ candidate, waiting, op, phase }: State, { is }: Slot): boolean {
  if (candidate?.turnAt != null || waiting.length > 0) return true;
  return is !== 'lost' || (op?.outcome == null && isOut(phase));
}

/** When the lock is asked again where nothing calls for it. */
function dueAt(state: State, { is, begun, answeredAt, failures }: Slot): number {
  // Only a question that was asked since the request needed a slot can answer it.
  const isCalledFor = state.candidate?.turnAt != null && begun < state.candidate.turnAt;
  if (answeredAt === null || isCalledFor) return -1;
  if (failures > 0) return answeredAt + Math.min(RETRY_FIRST_MS * 2 ** (failures - 1), RETRY_LONGEST_MS);
  const isNear = is === 'waits' || state.candidate?.turnAt != null || isUnderWay(state);
  return answeredAt + (isNear ? NEAR_MS : FAR_MS);
}

/** A node that did not come back, and that no operation brings back now; null = it is not so, or the lock has it already. */
function failureMark({ phase, op, outing }: State, { claim, view, failure: why }: Slot): LockAsk | null {
  const { alone } = PHASES[phase];
  const isStuck = alone === 'failed' || (alone === 'late' && why !== null);
  if (!isStuck || op !== null || outing === null) return null;
  if (holderOf(view, claim)?.state === 'failed') return null;
  return { does: 'mark', claim, state: 'failed', failure: why ?? `it is ${phase}` };
}

/** The lock has answered: the pool as it is then. */
export function onLockAnswered(draft: Draft, { does, id, view }: EventOf<'lock-answered'>): void {
  const { slot } = draft.state;
  if (slot?.claim.id !== id) return;
  alarm(draft, 'lock', null);
  if (does === 'give') {
    patch(draft, {
      slot: keepsClaim(draft.state) ? anew(slot) : null,
    });
    return save(draft);
  }
  const held = holderOf(view, slot.claim);
  const is = held ? 'held' : slot.wasHeld ? 'lost' : 'waits';
  const wasHeld = slot.wasHeld || is === 'held';
  const answered = { asked: null, error: null, failures: 0, begun: view.begun, answeredAt: draft.at };
  if (is === 'lost' && slot.is !== 'lost') {
    const text = `the slot of pool ${slot.claim.pool} was freed from outside`;
    emit(draft, { type: 'log', level: 'warn', text });
  }
  const namedAtLock = held?.claim.servers ?? slot.namedAtLock;
  patch(draft, { slot: { ...slot, ...answered, is, wasHeld, namedAtLock, view } });
  // An operation that begins on it saves it with its own intent.
  if (draft.state.outing === null) return;
  if (JSON.stringify(namedAtLock) !== JSON.stringify(slot.namedAtLock)) resave(draft);
  else if (wasHeld !== slot.wasHeld) save(draft);
}

/** Asked for once more; what was lost is so still. */
function anew({ claim, lock, save: saved, is, isOver, namedAtLock }: Slot): Slot {
  const isLost = is === 'lost';
  const known = { is: isLost ? 'lost' : 'unknown', wasHeld: isLost, namedAtLock } as const;
  return { ...NEW_SLOT, claim, lock, save: saved, isOver, ...known };
}

function isQueued({ claim, view }: Slot): boolean {
  return view?.waiters.some((one) => one.claim.id === claim.id) === true;
}

/** The lock did not answer, so its state is unknown: asked again, with a growing pause. */
export function onLockFailed(draft: Draft, { id, begun, error }: EventOf<'lock-failed'>): void {
  const { slot } = draft.state;
  if (slot?.claim.id !== id) return;
  const failures = slot.failures + 1;
  patch(draft, { slot: { ...slot, asked: null, error, failures, begun, answeredAt: draft.at } });
  // The text differs at each try by its elapsed time; the log gets it once.
  if (draft.state.alarms['lock'] === undefined)
    alarm(draft, 'lock', `${error}; steps outward wait for it, and it is asked again`);
}

function isUnderWay({ op, phase }: State): boolean {
  return op !== null && op.outcome === null && isOutward(phase);
}

/** `go`: the slot was held by a look begun at `since` or later; `wait`: not known; `moved`: the phase has changed. */
export function askSlot(draft: Draft, since: number): 'go' | 'wait' | 'moved' {
  const { policy, state, at } = draft;
  const { slot, op } = state;
  if (policy.pool === null || slot?.isOver === true || isHolding(state)) return 'go';
  if (slot?.is === 'lost' && op !== null && op.outcome === null) {
    abort(
      draft,
      'locked',
      `${policy.node}: the slot of pool ${slot.claim.pool} was freed from outside; what was found is restored`,
    );
    return 'moved';
  }
  if (slot?.is === 'held' && slot.error === null && (slot.view?.begun ?? -1) >= since) return 'go';
  if (op !== null && op.outcome === null && at >= patienceOf(op.deadline, since)) {
    const why = slot?.error ?? 'no slot of its pool was held';
    abort(draft, 'locked', `${policy.node}: ${why}, still at the deadline; what was found is restored`);
    return 'moved';
  }
  if (slot !== null && slot.lookFor < since) patch(draft, { slot: { ...slot, lookFor: since } });
  return 'wait';
}

function patienceOf(deadline: number, since: number): number {
  return Math.max(deadline, since) + PATIENCE_MS;
}

/** An operation that cannot be refused goes on without a slot; what waited for the lock's names is on disk before it is written. */
export function goOnWithoutSlot(draft: Draft): void {
  const { slot, outing } = draft.state;
  if (slot === null || slot.isOver) return;
  patch(draft, { slot: { ...slot, isOver: true } });
  if (outing !== null) resave(draft);
}

/** A slot that was held when the lock answered last may be another's by now. */
export function isSlotNeeded({ policy, state }: Draft, kind: OperationKind, since: number): boolean {
  if (policy.pool === null || !takesOut(kind)) return false;
  const { slot, outing, phase } = state;
  if (slot?.isOver === true) return false;
  if (slot?.is !== 'held' || slot.error !== null) return true;
  // A slot that is held in rotation belongs to a soak, or is being given back: the lock is read anew before the node goes
  // out on it.
  return (outing === null || PHASES[phase].place === 'rotation') && slot.begun < since;
}

/** When the lock is asked again, or not waited for any more, in monotonic milliseconds. */
export function nextSlot(state: State): number[] {
  const { slot, op, epochStartedAt, waiting, candidate } = state;
  const deadlines = waiting.map(({ deadline }) => deadline);
  if (candidate?.turnAt != null) deadlines.push(candidate.turnAt + UNREFUSED_WAIT_MS);
  if (slot === null) return deadlines;
  const patience = op === null ? [] : [patienceOf(op.deadline, Math.max(epochStartedAt, slot.lookFor))];
  return [...deadlines, ...(slot.asked === null ? [dueAt(state, slot)] : []), ...patience];
}
