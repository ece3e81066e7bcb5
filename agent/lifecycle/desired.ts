import type { Level } from './outing.ts';
import type { ServerState, State } from './state.ts';
import type { Admin } from './view.ts';

/** The desired state of each server: it follows from the hold, the outing and what was found, and is stored nowhere. */

/** A hold outranks every operation (I18); the operations that go over one, a shutdown alone, have it end with the node. */
export function isHolding({ hold, op }: Pick<State, 'hold' | 'op'>): boolean {
  return hold !== null && op === null;
}

/** @returns null where nothing is wanted: the server is not ours, or goes back to an owner who holds it */
export function desired(
  state: Pick<State, 'hold' | 'op' | 'outing'>,
  { found, held }: ServerState,
): Admin | null {
  const { outing, hold } = state;
  if (found === null || outing === null) return null;
  const level = hold !== null && isHolding(state) ? outer(outing.level, hold.admin) : outing.level;
  switch (level) {
    case 'drain':
      // DRAIN lets bound users finish. A server that was taken over in MAINT has none: it stays there.
      return found.admin === 'maint' ? 'maint' : 'drain';
    case 'maint':
      // Only MAINT makes zero final: in DRAIN an old cookie still gets in (haproxy-facts M).
      return 'maint';
    case 'ready':
      return 'ready';
    case 'found':
      return held === null ? found.admin : null;
    default:
      return level satisfies never;
  }
}

/** A hold never brings a node nearer to its users than it was. */
function outer(level: Level, hold: 'drain' | 'maint'): 'drain' | 'maint' {
  return level === 'maint' ? 'maint' : hold;
}
