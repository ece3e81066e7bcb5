import type { Claim, SlotHolder } from '../../lifecycle/model/pool.ts';
import { isTurn } from '../pool-queue.ts';
import { entryText, type ClaimEntry } from './claim-entry.ts';
import type { PoolKeys } from './pool-keys.ts';
import { findClaim, showPool, type PoolState } from './pool-state.ts';
import { absent, createdAt, modifiedAt, unchangedSince, type Change } from './transaction.ts';

/** What this process knows of a claim of its own. */
export interface OwnClaim {
  readonly claim: Claim;
  /** The lease under which it waits, or shows that it lives. */
  readonly lease: string;
  /** The slot that it was seen to hold last, and in which epoch; null: none, or one that was freed by another. */
  readonly slot: HeldSlot | null;
  /** Wall clock, milliseconds. */
  readonly wall: number;
}

export interface HeldSlot {
  readonly epoch: string;
  readonly state: SlotHolder['state'];
  readonly failure: string | null;
  readonly since: number;
}

/**
 * The next change on the way to a slot: a place in the queue, under the lease; then the slot, which has none.
 * @returns null: there is nothing to do now, the claim waits or holds
 */
export function takeStep(keys: PoolKeys, pool: PoolState, own: OwnClaim): Change | null {
  const stored = findClaim(pool, own.claim);
  const restored = restoreStep(keys, pool, own);
  if (restored !== null || stored?.lease === null) return restored;
  if (stored === undefined) {
    const entry = { claim: own.claim, state: 'out', failure: null, since: own.wall } as const;
    return { compares: [absent(keys.claim(own.claim))], writes: [place(keys, entry, own.lease)] };
  }
  const entry = { ...stored, claim: own.claim };
  // After a restart of this process it waits under the lease of the process before.
  if (stored.lease !== own.lease || entryText(stored) !== entryText(entry))
    return {
      compares: [modifiedAt(keys.claim(own.claim), stored.modified)],
      writes: [place(keys, entry, own.lease)],
    };
  if (pool.isFounding || !isTurn(showPool(keys, pool), own.claim)) return null;
  return {
    // No claim that was counted for this turn has changed, and the place in the queue is still this claim's.
    compares: [unchangedSince(keys.claims, pool.revision), createdAt(keys.claim(own.claim), stored.created)],
    writes: slotOf(keys, { ...entry, since: own.wall }, own.lease),
  };
}

/**
 * What a slot of ours that is held, or was lost with etcd's data, lacks: the sign that its holder lives, or all of it. A
 * lost one is put again only while that keeps within `slots`; one that was freed by another in the same epoch stays free.
 * @returns null: nothing
 */
export function restoreStep(keys: PoolKeys, pool: PoolState, own: OwnClaim): Change | null {
  const stored = findClaim(pool, own.claim);
  if (stored === undefined) return reclaimStep(keys, pool, own);
  if (stored.lease !== null) return null;
  const entry = { ...stored, claim: own.claim };
  const isAlive = pool.alive.get(keys.nameOf(own.claim)) === own.lease;
  const isCurrent = entryText(stored) === entryText(entry);
  if (isAlive && isCurrent) return null;
  const compares = [modifiedAt(keys.claim(own.claim), stored.modified)];
  const [slot, life] = slotOf(keys, entry, own.lease);
  return { compares, writes: isCurrent ? [life] : [slot, life] };
}

function reclaimStep(keys: PoolKeys, pool: PoolState, { claim, lease, slot }: OwnClaim): Change | null {
  if (slot === null || slot.epoch === pool.epoch) return null;
  const { holders, slots } = showPool(keys, pool);
  if (holders.length >= Math.min(slots, claim.slots)) return null;
  return {
    compares: [unchangedSince(keys.claims, pool.revision), absent(keys.claim(claim))],
    writes: slotOf(keys, { claim, ...slot }, lease),
  };
}

/** Writes another state of the holder of a slot; null: it is written already, or the slot is not held. */
export function markStep(
  keys: PoolKeys,
  pool: PoolState,
  claim: Claim,
  state: SlotHolder['state'],
  failure: string | null,
): Change | null {
  const stored = findClaim(pool, claim);
  if (stored?.lease !== null) return null;
  const entry = { claim, state, failure, since: stored.since };
  if (entryText(entry) === entryText(stored)) return null;
  return {
    compares: [modifiedAt(keys.claim(claim), stored.modified)],
    writes: [place(keys, entry, null)],
  };
}

/** Removes the slot, or the place in the queue, and the holder's sign of life. */
export function removal(keys: PoolKeys, claim: Pick<Claim, 'node' | 'id'>): Change['writes'] {
  return [{ remove: keys.claim(claim) }, { remove: keys.alive(claim) }];
}

type Put = Extract<Change['writes'][number], { put: string }>;

function place(keys: PoolKeys, entry: ClaimEntry, lease: string | null): Put {
  return { put: keys.claim(entry.claim), value: entryText(entry), lease };
}

function slotOf(keys: PoolKeys, entry: ClaimEntry, lease: string): readonly [Put, Put] {
  return [place(keys, entry, null), { put: keys.alive(entry.claim), value: '', lease }];
}
