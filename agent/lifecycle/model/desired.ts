import type { Level } from './outing.ts';
import type { State } from './state.ts';
import type { ServerState } from './server-state.ts';
import type { Admin } from './observation.ts';

/** The desired state of each server: it follows from the hold, the outing and what was found, and is stored nowhere. */

/** A hold outranks every operation (I18); the operations that go over one, a shutdown alone, have it end with the node. */
export function isHolding({ hold, op }: Pick<State, 'hold' | 'op'>): boolean {
  return hold !== null && op === null;
}

/** @returns null where nothing is wanted: the server is not ours, or goes back to an owner who holds it */
export function desired(
  state: Pick<State, 'hold' | 'op' | 'outing'>,
  { found, foreign, everWritten, isLost }: ServerState,
): Admin | null {
  const { outing, hold } = state;
  if (found === null || outing === null) return null;
  const level = hold !== null && isHolding(state) ? outer(outing.level, hold.admin) : outing.level;
  // Until the node returns it stays as it is: nothing is known of its users.
  if (isLost && level !== 'ready' && level !== 'found') return null;
  switch (level) {
    case 'drain':
      // DRAIN lets bound users finish. A server that was taken over in MAINT has none, as long as no reload has opened it.
      return found.admin === 'maint' && !everWritten.includes('drain') ? 'maint' : 'drain';
    case 'maint':
      // Only MAINT makes zero final: in DRAIN an old cookie still gets in (BEHAVIOUR.md#zero).
      return 'maint';
    case 'ready':
      return isLost ? found.admin : 'ready';
    case 'none':
      return null;
    case 'found':
      return foreign === null ? found.admin : null;
    default:
      return level satisfies never;
  }
}

/** The one of both that keeps more users away: a hold never opens a node further than it was. */
function outer(level: Level, hold: 'drain' | 'maint'): 'drain' | 'maint' {
  return level === 'maint' ? 'maint' : hold;
}
