import { forcedOf, sameTotals, occupancy, totalsOf, viewOf, workersOf } from '../observed/counts.ts';
import { isGate } from './gate.ts';
import type { Policy } from '../model/policy.ts';
import { allInSync, allKnown, pollAll } from '../sync/reconcile.ts';
import type { Fence, Level, Outing } from '../model/outing.ts';
import { isSeenGone, type State } from '../model/state.ts';
import { setIntent, patchOuting, serversOf, type Draft } from '../step-draft.ts';
import { sameWorker, type Admin, type ServerView } from '../model/observation.ts';

/** The fence: MAINT everywhere, and then a look that proves it. */

export function raiseFence(draft: Draft, outing: Partial<Outing> = {}): void {
  const level = 'maint';
  setIntent(draft, 'fencing', { ...noStop(draft), outing: { level, fence: newFence(draft), ...outing } });
}

/** The fence as of now: what has to be the same once it is up. */
export function newFence({ state }: Draft): Fence {
  return { confirmedAt: null, totals: totalsOf(state), workers: workersOf(state) };
}

/** Without the stop that was intended. */
export function noStop({ state: { app } }: Draft): Pick<State, 'app'> {
  return { app: { ...app, stopIssued: false } };
}

/**
 * The recheck, begun after every server was seen in MAINT: `clear`: the node is empty; `occupied`: a user slipped
 * in; `wait`: not known yet.
 */
export function recheckFence(draft: Draft): 'clear' | 'occupied' | 'wait' {
  const { policy, state } = draft;
  const fence = state.outing?.fence ?? newFence(draft);
  if (!sameWorkers(fence, state) || (!isSeenGone(state) && isOpen(policy, state))) return 'occupied';
  // Seen since zero: before MAINT was written, or while the write is under way.
  if (fence.confirmedAt === null && occupancy(policy, state, -1) === 'some') return 'occupied';
  // A poll too old to judge our last write by may still show an operator's DRAIN: wait for the next one.
  const isFenceSeen = allInSync(policy, state) && unfenced(policy, state) === null;
  if (!isFenceSeen || !isGate(draft, 'on') || openForeignDrain(policy, state) !== null) return 'wait';
  // Every server is taken in when the outing begins or the sidecar starts (I17); one that was not has no fence.
  if (serversOf(state).some(({ server }) => server.found === null)) return 'wait';
  if (fence.confirmedAt === null) {
    patchOuting(draft, { fence: { ...fence, confirmedAt: draft.at } });
    pollAll(draft);
    return 'wait';
  }
  const count = occupancy(policy, state, fence.confirmedAt);
  if (count === 'some') return 'occupied';
  if (count === 'unknown' || !allKnown(policy, state, fence.confirmedAt)) return 'wait';
  return sameTotals(fence.totals, totalsOf(state)) ? 'clear' : 'occupied';
}

/**
 * A server of ours is READY: a reload lost our state, and users who came in since are bound to it. MAINT would cut
 * them, so the server goes back to DRAIN first.
 */
export function isOpen(policy: Policy, state: State): boolean {
  return shownOf(policy, state).some(({ admin }) => admin === 'ready');
}

/** A server of ours that is not fenced, at a balancer that was skipped or not written in time; or null. */
export function unfenced(policy: Policy, state: State): string | null {
  const found = shownOf(policy, state).find(({ admin }) => admin === 'ready' || admin === 'drain');
  return found === undefined ? null : `${found.balancerName}: ${found.name}`;
}

/**
 * A server that an operator holds in DRAIN, or null: it stays open for its bound users, so the node is not
 * `drained` and nothing is stopped, unless the policy is `follow`.
 */
export function openForeignDrain(policy: Policy, state: State): string | null {
  const [found = null] = policy.foreignDrain === 'follow' ? [] : foreignDrains(policy, state);
  return found;
}

/**
 * The servers in a DRAIN that is followed (`foreignDrain: follow`): zero and quiet have to do for them, and no fence
 * follows.
 */
export function followed(policy: Policy, state: State): string[] {
  return policy.foreignDrain === 'follow' ? foreignDrains(policy, state) : [];
}

/** Where *drained* means less than elsewhere: a line for the result for each server that is followed. */
export function unfencedLines({ policy, state }: Pick<Draft, 'policy' | 'state'>): string[] {
  return followed(policy, state).map(
    (name) =>
      `${name} was drained behind a DRAIN that is not lastcall's and is not fenced: a user who is bound to it could still come`,
  );
}

function foreignDrains(policy: Policy, state: State): string[] {
  const showing = policy.balancers.filter(({ counts }) => counts).map(({ name }) => name);
  return serversOf(state)
    .filter(
      ({ balancer, balancerName, name, server }) =>
        server.foreign !== null &&
        showing.includes(balancerName) &&
        balancer.error === null &&
        isOpenToSome(viewOf(balancer, name)),
    )
    .map(({ balancerName, name }) => `${balancerName}: ${name}`);
}

/** DRAIN, if only under a MAINT that ends by itself. */
function isOpenToSome(view: ServerView | undefined): boolean {
  return view !== undefined && (view.admin === 'drain' || forcedOf(view) === 'drain');
}

/** Every server of ours is seen fenced, so no new user can have come in. Unknown is not fenced. */
export function isFenced(policy: Policy, state: State): boolean {
  return shownOf(policy, state).every(({ admin }) => admin === 'maint');
}

/**
 * MAINT stays where it is in place. Where a reload has undone it meanwhile, users have come since, and they are
 * bound to this node: DRAIN.
 */
export function stillLevel(policy: Policy, state: State): 'maint' | 'drain' {
  return state.outing?.forcedOut === true || isFenced(policy, state) ? 'maint' : 'drain';
}

/** The level of a return that goes on after a crash: a node in service, of which nothing was wanted, is not closed for it. */
export function returnLevel(policy: Policy, state: State): Level {
  return state.outing?.level === 'none' ? 'none' : stillLevel(policy, state);
}

interface Shown {
  readonly balancerName: string;
  readonly name: string;
  /** What is forced there, so what is left when a MAINT that lies over it has gone; null = unknown. */
  readonly admin: Admin | null;
}

/** What is seen of the servers that are ours, at the balancers that show anything. */
function shownOf(policy: Policy, state: State): Shown[] {
  const showing = policy.balancers.filter(({ counts }) => counts).map(({ name }) => name);
  return serversOf(state)
    .filter(
      ({ balancerName, server, target }) =>
        showing.includes(balancerName) && target !== null && server.foreign === null,
    )
    .map(({ balancer, balancerName, name }) => {
      const view = balancer.error === null ? viewOf(balancer, name) : undefined;
      return { balancerName, name, admin: view ? forcedOf(view) : null };
    });
}

function sameWorkers(fence: Fence, state: State): boolean {
  const now = workersOf(state);
  return Object.entries(fence.workers).every(([name, worker]) => sameWorker(worker, now[name] ?? null));
}
