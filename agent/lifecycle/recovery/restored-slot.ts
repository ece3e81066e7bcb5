import type { Policy } from '../model/policy.ts';
import type { SavedSlot } from '../model/record.ts';
import { NEW_SLOT, type Slot, type Soak } from '../model/slot.ts';

/** The node's claim in its pool after a crash, from the record that the disk kept. */

/**
 * In an older record the lock is that of the configuration, and what it names is the claim. Whether the slot is held still is asked: one that was freed
 * meanwhile, and that another node has, is lost, as it would be with a sidecar that was there.
 * @param moved a monotonic time of the record as it is in this life
 */
export function restoredSlot(slot: SavedSlot, { pool }: Policy, moved: (time: number) => number): Slot {
  const { lock = pool?.lock ?? [], namedAtLock = slot.claim.servers } = slot;
  return { ...NEW_SLOT, ...slot, lock, namedAtLock, soak: soakOf(slot, moved), save: 0 };
}

/** An older record has the time of the soak; what was while there was no sidecar is not known. */
function soakOf({ soak }: SavedSlot, moved: (time: number) => number): Soak | null {
  if (!soak) return null;
  const { failure, unknownSince = null } = soak;
  return { since: null, unknownSince: unknownSince === null ? null : moved(unknownSince), failure };
}
