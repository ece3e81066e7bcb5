import type { Claim } from '../model/pool.ts';
import type { Policy, PoolPolicy } from '../model/policy.ts';
import type { SavedSlot } from '../model/record.ts';
import { NEW_SLOT, type Slot, type Soak } from '../model/slot.ts';
import type { State } from '../model/state.ts';

/** The node's claim in its pool after a crash, from the record that the disk kept. */

/** What the configuration lists, and what it lost while it was ours. */
type Servers = Pick<State, 'balancers' | 'lost'>;

/**
 * In an older record the lock is that of the configuration.
 * @param moved a monotonic time of the record as it is in this life
 */
export function restoredSlot(
  slot: SavedSlot,
  { pool }: Policy,
  servers: Servers,
  moved: (time: number) => number,
): Slot {
  const { lock = pool?.lock ?? [] } = slot;
  const claim = pool === null ? slot.claim : claimNow(slot.claim, pool, servers);
  return { ...NEW_SLOT, ...slot, claim, lock, soak: soakOf(slot, moved), save: 0 };
}

/**
 * The claim with the servers of this life's configuration, by which the others judge whether a node that has died is back:
 * the names and the balancers may have changed while the node is out. What the configuration lost stays in it, since
 * lastcall's MAINT may be there still. The lock gets it with the first question, before anything is fenced.
 */
function claimNow(claim: Claim, pool: PoolPolicy, { balancers, lost }: Servers): Claim {
  const lostAt = (name: string | undefined): string[] => {
    const ours = Object.entries((name && balancers[name]?.servers) || {});
    const kept = ours.flatMap(([server, { isLost }]) => (isLost ? [server] : []));
    return [...kept, ...Object.keys((name && lost[name]) || {})];
  };
  const now = Object.entries(pool.servers).map(
    ([place, names]) => [place, [...names, ...lostAt(pool.balancers[place])]] as const,
  );
  // A balancer that is configured no more is known by the place alone that the claim has of it.
  const isAnyLost = Object.keys(lost).some((name) => !Object.values(pool.balancers).includes(name));
  const before = Object.entries(claim.servers).filter(([place]) => isAnyLost && !(place in pool.servers));
  return { ...claim, servers: Object.fromEntries([...before, ...now]) };
}

/** An older record has the time of the soak; what was while there was no sidecar is not known. */
function soakOf({ soak }: SavedSlot, moved: (time: number) => number): Soak | null {
  if (!soak) return null;
  const { failure, unknownSince = null } = soak;
  return { since: null, unknownSince: unknownSince === null ? null : moved(unknownSince), failure };
}
