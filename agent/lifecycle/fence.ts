import { pidsOf, sameTotals, tally, totalsOf } from './count.ts';
import { isGate } from './gate.ts';
import { allConfirmed, allKnown, askAll } from './servers.ts';
import type { Fence, ServerState, State } from './state.ts';
import { intend, patch, type Turn } from './turn.ts';

/** What is wanted of the servers on the way out, and the fence: MAINT everywhere, and then a look that proves it. */

/** DRAIN lets bound users finish. A server that was taken over in MAINT has none: it stays there. */
export function wantDrain(server: ServerState): ServerState['want'] {
  if (!server.found) return null;
  return server.found.admin === 'maint' ? 'maint' : 'drain';
}

/** Only MAINT makes zero final: in DRAIN an old cookie still gets in (haproxy-facts M). */
export function wantMaint(server: ServerState): ServerState['want'] {
  return server.found ? 'maint' : null;
}

export function raiseFence(turn: Turn, changes: Partial<State> = {}): void {
  const fence: Fence = { confirmedAt: null, totals: totalsOf(turn.state), pids: pidsOf(turn.state) };
  intend(turn, 'fencing', wantMaint, { fence, ...changes });
}

/**
 * The second look: begun after every server was seen in MAINT, it says that nobody is there (`clear`), that somebody
 * slipped in (`somebody`), or nothing yet.
 */
export function lookAgain(turn: Turn): 'clear' | 'somebody' | 'wait' {
  const { policy, state } = turn;
  const fence = state.fence as Fence;
  if (!allConfirmed(policy, state) || !isGate(turn, 'on')) return 'wait';
  if (fence.confirmedAt === null) {
    patch(turn, { fence: { ...fence, confirmedAt: turn.at } });
    askAll(turn);
    return 'wait';
  }
  const count = tally(policy, state, fence.confirmedAt);
  if (count === 'some') return 'somebody';
  if (count === 'unknown' || !allKnown(policy, state, fence.confirmedAt)) return 'wait';
  const same = sameTotals(fence.totals, totalsOf(state)) && samePids(fence, state);
  return same ? 'clear' : 'somebody';
}

function samePids(fence: Fence, state: State): boolean {
  const now = pidsOf(state);
  return Object.entries(fence.pids).every(([name, pid]) => pid === now[name]);
}
