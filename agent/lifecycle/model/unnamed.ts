import { isHolding } from './desired.ts';
import type { Policy } from './policy.ts';
import type { State } from './state.ts';

/**
 * A server that the configuration has gained while the node is out, and that its slot does not name yet: DRAIN waits for the
 * lock there. A sidecar that ends before would leave it out by a name that no other node asks for, and one that finds the
 * servers of before in service would free the slot (INVARIANTS.md#i5). What the slot names is set again without the lock
 * (I3). A hold, force, and a caller who cannot be refused go on without it.
 */
export function isUnnamed(
  { pool }: Pick<Policy, 'pool'>,
  state: Pick<State, 'slot' | 'hold' | 'op' | 'outing'>,
  balancer: string,
  server: string,
): boolean {
  const { slot, outing } = state;
  if (pool === null || slot === null || !slot.wasHeld || slot.isOver || isHolding(state)) return false;
  if (outing === null || outing.force !== null || outing.forcedOut) return false;
  if (outing.level !== 'drain' && outing.level !== 'maint') return false;
  const places = Object.entries(pool.servers).filter(([place]) => pool.balancers[place] === balancer);
  return places.some(
    ([place, names]) => names.includes(server) && slot.namedAtLock[place]?.includes(server) !== true,
  );
}
