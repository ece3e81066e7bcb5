import { wellness } from '../observed/wellness.ts';
import type { Policy } from '../model/policy.ts';
import { holderOf, type LockAsk, NEW_SOAK, type Slot, type Soak } from '../model/slot.ts';
import type { State } from '../model/state.ts';
import { alarm, emit, patch, resave, save, type Draft } from '../step-draft.ts';

/**
 * The soak (`return.soak`), a level: a node that has come back keeps its slot until it has been well for so long. One that
 * fails in it keeps the slot and counts for the brake, until `ready` there begins the soak anew.
 */

/** How long the node's health may be unknown before the soak begins anew: a few looks. */
const PAUSE_MS = 10_000;

/** Begins, times and ends the soak; the slot is given back once there is none. */
export function advanceSoak(draft: Draft): void {
  const { policy, state, at } = draft;
  const { slot, outing } = state;
  if (slot === null) return alarm(draft, 'soak', null);
  if (policy.soakMs === 0 || policy.pool === null) return setSoak(draft, null);
  if (outing !== null) return setSoak(draft, whileOut(outing.level, slot.soak));
  // Its way back went without a slot, and the lock may have given it one meanwhile: the answer decides.
  if (slot.is === 'waits' && slot.asked === 'take') return setSoak(draft, slot.soak);
  // Whatever freed its slot has released the other nodes: this one does not queue for a slot to soak in.
  if (slot.is === 'lost' || slot.is === 'waits') return setSoak(draft, null);
  // The reason of a failed soak outlives a crash, and its alarm with it.
  if (slot.soak === null || slot.soak.failure !== null || state.op !== null) return setSoak(draft, slot.soak);
  const how = wellness(draft);
  if (how.is === 'failed') return fail(draft, how.why);
  if (how.is === 'unknown') return pause(draft, slot.soak, how.why);
  const since = resumedAt(slot.soak, at);
  setSoak(draft, at - since >= policy.soakMs ? null : { ...slot.soak, since, unknownSince: null });
}

/** A look that fails stops the clock; it begins anew after a few of them. */
function pause(draft: Draft, soak: Soak, why: string): void {
  const { policy, at } = draft;
  const unknownSince = soak.unknownSince ?? at;
  const isShort = at - unknownSince < PAUSE_MS;
  const isStuck = at - unknownSince >= stuckAfter(policy);
  const text = `it is unknown whether the node is well, and it keeps its slot: ${why}`;
  setSoak(draft, { ...soak, since: isShort ? soak.since : null, unknownSince }, isStuck ? text : null);
}

function resumedAt({ since, unknownSince }: Soak, at: number): number {
  if (since === null) return at;
  return unknownSince === null ? since : since + at - unknownSince;
}

function stuckAfter({ soakMs, returnMs }: Pick<Policy, 'soakMs' | 'returnMs'>): number {
  return soakMs + returnMs;
}

/**
 * A soak follows only a return over READY: a drain that was given up never took users away. A soak that was due
 * before stays due, and begins anew.
 */
function whileOut(level: NonNullable<State['outing']>['level'], soak: Soak | null): Soak | null {
  return level === 'ready' || soak !== null ? NEW_SOAK : null;
}

function fail(draft: Draft, why: string): void {
  const failure = `it failed in its soak: ${why}`;
  emit(draft, { type: 'log', level: 'error', text: `${failure}; no other node of the pool follows` });
  setSoak(draft, { ...NEW_SOAK, failure });
}

/** `ready` there: what it failed by is judged anew. */
export function soakAnew(draft: Draft): void {
  if (draft.state.slot?.soak?.failure == null) return;
  setSoak(draft, NEW_SOAK);
  resave(draft);
}

function setSoak(draft: Draft, soak: Soak | null, stuck: string | null = null): void {
  const { slot } = draft.state;
  if (slot === null) return;
  const failure = soak?.failure ?? null;
  alarm(
    draft,
    'soak',
    failure === null
      ? stuck
      : `${failure}; it keeps its slot: see to it, then \`lastcall ready\` begins the soak anew`,
  );
  const { soak: before } = slot;
  if (
    before?.since === soak?.since &&
    before?.unknownSince === soak?.unknownSince &&
    (before === null) === (soak === null) &&
    before?.failure === soak?.failure
  )
    return;
  patch(draft, { slot: { ...slot, soak } });
  save(draft);
}

/** The mark that the lock has to show to the other nodes; null = it shows it. */
export function soakMark({ outing }: State, { claim, soak, view }: Slot): LockAsk | null {
  const seen = holderOf(view, claim)?.state;
  if (seen === undefined) return null;
  if (outing !== null) return seen === 'soaking' ? mark('out') : null;
  if (soak === null) return null;
  if (soak.failure !== null) return seen === 'failed' ? null : mark('failed');
  return seen === 'soaking' ? null : mark('soaking');

  function mark(state: 'out' | 'soaking' | 'failed'): LockAsk {
    return { does: 'mark', claim, state, failure: state === 'failed' ? (soak?.failure ?? null) : null };
  }
}

/** When the soak is over, begins anew or is stuck, in monotonic milliseconds. */
export function nextSoak({ slot, op, outing, alarms }: State, policy: Policy): number[] {
  const soak = slot?.soak ?? null;
  if (soak === null || soak.failure !== null || op !== null || outing !== null) return [];
  const { since, unknownSince } = soak;
  if (unknownSince === null) return since === null ? [] : [since + policy.soakMs];
  if (since !== null) return [unknownSince + PAUSE_MS];
  return alarms['soak'] === undefined ? [unknownSince + stuckAfter(policy)] : [];
}
