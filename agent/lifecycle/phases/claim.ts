import type { Request } from '../model/api.ts';
import type { Claim } from '../model/pool.ts';
import type { PoolPolicy } from '../model/policy.ts';
import { NEW_SLOT, type Slot } from '../model/slot.ts';
import type { State } from '../model/state.ts';
import { type Draft, patch, save } from '../step-draft.ts';

/** The node's claim in its pool: who asks, and by which servers the others judge whether a node that has died is back. */

const UNASKED = { kind: 'drain', by: 'lastcall', reason: 'it is out already' } as const;

/** Makes the claim; it goes to disk before it is asked for. */
export function makeClaim(draft: Draft, pool: PoolPolicy): void {
  const { policy, state } = draft;
  const { candidate, waiting, op } = state;
  const { name, lock, slots, brake, seed } = pool;
  const asker: Pick<Request, 'kind' | 'by' | 'reason'> =
    candidate?.request ?? waiting[0]?.request ?? op ?? UNASKED;
  save(draft);
  const claim: Claim = {
    pool: name,
    node: policy.node,
    id: `${seed}${draft.state.save.toString(16).padStart(6, '0').slice(-6)}`,
    operation: asker.kind,
    by: asker.by,
    reason: asker.reason,
    slots,
    brake,
    servers: claimedServers(pool, state, {}),
  };
  patch(draft, { slot: { ...NEW_SLOT, claim, lock, save: draft.state.save } });
}

/**
 * Names in the claim what it is to be judged by now, a level: after a start the names and the balancers may be others than
 * those of the life before, and what the configuration has lost is named only until it was put back. The lock gets it with
 * the next question that writes: `take` after a start, before anything is fenced, and the mark of a soak after a return.
 * @returns the slot with that claim
 */
export function nameServers(draft: Draft, pool: PoolPolicy, slot: Slot): Slot {
  const { claim } = slot;
  const servers = claimedServers(pool, draft.state, claim.servers);
  if (servers === claim.servers) return slot;
  const named = { ...slot, claim: { ...claim, servers } };
  patch(draft, { slot: named });
  if (JSON.stringify(servers) !== JSON.stringify(claim.servers)) save(draft);
  return named;
}

/** What the configuration lists, and what it lost while it was lastcall's, whose MAINT may be there still. */
function claimedServers(
  pool: PoolPolicy,
  { balancers, lost }: Pick<State, 'balancers' | 'lost'>,
  before: Claim['servers'],
): Claim['servers'] {
  const lostAt = (name: string | undefined): string[] => {
    const ours = Object.entries((name && balancers[name]?.servers) || {});
    const kept = ours.flatMap(([server, { isLost }]) => (isLost ? [server] : []));
    return [...kept, ...Object.keys((name && lost[name]) || {})];
  };
  const places = Object.entries(pool.servers);
  const more = places.map(([place]) => lostAt(pool.balancers[place]));
  // A balancer that is configured no more is known by the place alone that the claim has of it.
  const isAnyLost = Object.keys(lost).some((name) => !Object.values(pool.balancers).includes(name));
  const kept = Object.entries(before).filter(([place]) => isAnyLost && !(place in pool.servers));
  if (kept.length === 0 && more.every((names) => names.length === 0)) return pool.servers;
  const now = places.map(([place, names], index) => [place, [...names, ...(more[index] ?? [])]] as const);
  return Object.fromEntries([...kept, ...now]);
}
