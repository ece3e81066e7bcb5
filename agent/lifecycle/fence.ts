import { forcedOf, sameTotals, tally, totalsOf, viewOf, workersOf } from './count.ts';
import { isGate } from './gate.ts';
import type { Policy } from './policy.ts';
import { allConfirmed, allKnown, askAll } from './servers.ts';
import type { Fence, ServerState, State } from './state.ts';
import { intend, patch, serversOf, type Turn } from './turn.ts';
import { sameWorker, type Admin, type ServerView } from './view.ts';

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
  const fence: Fence = { confirmedAt: null, totals: totalsOf(turn.state), workers: workersOf(turn.state) };
  intend(turn, 'fencing', wantMaint, { fence, ...changes });
}

/**
 * The second look: begun after every server was seen in MAINT, it says that nobody is there (`clear`), that somebody
 * slipped in (`somebody`), or nothing yet.
 */
export function lookAgain(turn: Turn): 'clear' | 'somebody' | 'wait' {
  const { policy, state } = turn;
  const fence = state.fence as Fence;
  if (!sameWorkers(fence, state) || (!state.appGone && isOpen(policy, state))) return 'somebody';
  if (!allConfirmed(policy, state) || !isGate(turn, 'on') || heldOpen(policy, state) !== null) return 'wait';
  if (fence.confirmedAt === null) {
    patch(turn, { fence: { ...fence, confirmedAt: turn.at } });
    askAll(turn);
    return 'wait';
  }
  const count = tally(policy, state, fence.confirmedAt);
  if (count === 'some') return 'somebody';
  if (count === 'unknown' || !allKnown(policy, state, fence.confirmedAt)) return 'wait';
  return sameTotals(fence.totals, totalsOf(state)) ? 'clear' : 'somebody';
}

/**
 * A server of ours stands READY: a reload has forgotten our word, and whoever has come in since is bound to it. MAINT
 * would throw him out again, so the way leads over DRAIN once more.
 */
function isOpen(policy: Policy, state: State): boolean {
  return shownOf(policy, state).some(({ admin }) => admin === 'ready');
}

/** A server of ours that is seen outside the fence, at a balancer that was without it, or not told in time; or null. */
export function unfenced(policy: Policy, state: State): string | null {
  const found = shownOf(policy, state).find(({ admin }) => admin === 'ready' || admin === 'drain');
  return found === undefined ? null : `${found.at}: ${found.name}`;
}

/**
 * A server that another hand holds in DRAIN, or null: it stays open for its bound users, so no node is `drained` and
 * nothing is stopped behind it.
 */
export function heldOpen(policy: Policy, state: State): string | null {
  const showing = policy.balancers.filter(({ counts }) => counts).map(({ name }) => name);
  const found = serversOf(state).find(
    ({ balancer, at, name, server }) =>
      server.held && showing.includes(at) && balancer.error === null && isOpenToSome(viewOf(balancer, name)),
  );
  return found === undefined ? null : `${found.at}: ${found.name}`;
}

/** DRAIN, if only under a MAINT that ends by itself. */
function isOpenToSome(view: ServerView | undefined): boolean {
  return view !== undefined && (view.admin === 'drain' || forcedOf(view) === 'drain');
}

/** Every server of ours is seen behind the fence, so nobody can have come in. Unknown is not fenced. */
export function isFenced(policy: Policy, state: State): boolean {
  return shownOf(policy, state).every(({ admin }) => admin === 'maint');
}

interface Shown {
  readonly at: string;
  readonly name: string;
  /** What is forced there, so what is left when a MAINT that lies over it has gone; null = unknown. */
  readonly admin: Admin | null;
}

/** What is seen of the servers that are ours, at the balancers that show anything. */
function shownOf(policy: Policy, state: State): Shown[] {
  const showing = policy.balancers.filter(({ counts }) => counts).map(({ name }) => name);
  return serversOf(state)
    .filter(({ at, server }) => showing.includes(at) && server.want !== null && !server.held)
    .map(({ balancer, at, name }) => {
      const view = balancer.error === null ? viewOf(balancer, name) : undefined;
      return { at, name, admin: view ? forcedOf(view) : null };
    });
}

function sameWorkers(fence: Fence, state: State): boolean {
  const now = workersOf(state);
  return Object.entries(fence.workers).every(([name, worker]) => sameWorker(worker, now[name] ?? null));
}
