import { byName } from '../model/named-error.ts';
import {
  connectionsOf,
  isFresh,
  unknownTo,
  lastSeenAll,
  sessionCount,
  userSessions,
  viewOf,
} from '../observed/counts.ts';
import { doubtLine, doubtsOf } from '../observed/hidden-users.ts';
import { followed, raiseFence } from './fence.ts';
import { howMany } from '../model/how-many.ts';
import { listed } from '../model/objection.ts';
import {
  FORCE_CLOSE_EVERY_MS,
  FORCE_CLOSE_PATIENCE_MS,
  FORCE_FENCE_PATIENCE_MS,
  type Policy,
} from '../model/policy.ts';
import { allInSync, allKnown } from '../sync/reconcile.ts';
import type { Closing, Force } from '../model/outing.ts';
import type { State } from '../model/state.ts';
import { emit, type EventOf, patch, patchOuting, serversOf, type Draft, warn } from '../step-draft.ts';

/** Force: at the deadline the policy closes the remaining connections, paced, behind the fence. */

/** MAINT first, then close: connections that end while the server takes new ones would be replaced. */
export function startForce(draft: Draft, why: string, now: boolean): void {
  const { policy, state } = draft;
  const sessions = sessionCount(policy, state);
  const connections = connectionsOf(policy, state);
  if (sessions === null || connections === null)
    warn(draft, 'forced: unknown', 'forced while the number of sessions was unknown');
  // A user connected without a session, at a websocket perhaps, is closed as well; a user there at a balancer's
  // last answer still is, for all that is known.
  const forced = (sessions || connections) ?? lastSeenAll(policy, state);
  if (state.op) patch(draft, { op: { ...state.op, forced } });
  warn(draft, 'forced', `${why}: forced with ${whoIsLeft(draft)} left`);
  const force: Force = {
    since: draft.at,
    progressAt: null,
    left: Infinity,
    closedAt: -Infinity,
    closing: [],
    now,
  };
  raiseFence(draft, { force, forcedOut: true });
}

/**
 * The text of what is left: the sessions, or the connections where there are no sessions. Where the number is
 * unknown: which sources and balancers do not count, and why.
 */
export function whoIsLeft({ policy, state }: Draft): string {
  const sessions = howMany(sessionCount(policy, state), 'session');
  const connections = connectionsOf(policy, state);
  const alone = policy.sources.length > 0 && userSessions(policy, state) === 0 && connections !== 0;
  const left = alone ? `${sessions} and ${howMany(connections, 'connection')}` : sessions;
  const doubts = connections === null ? doubtsOf(policy, state) : [];
  const why = [...unknownTo(policy, state), ...doubts.map((one) => doubtLine(one, state.now))];
  return why.length === 0 ? left : `${left} (${listed(why)})`;
}

/** One step of forcing: `over` when no connection is left, or when the time for it is up. */
export function forcing(draft: Draft, force: Force): 'over' | 'wait' {
  const { policy, state } = draft;
  const late = force.now || draft.at - force.since >= FORCE_FENCE_PATIENCE_MS;
  if (!allInSync(policy, state) && !late) return 'wait';
  const open = openServers(policy, state);
  const unknown = !allKnown(policy, state, state.epochStartedAt) || open.some(({ left }) => left === null);
  if (unknown && !late) return 'wait';
  if (open.length === 0 || force.now) {
    if (unknown) warn(draft, 'forced: not asked', 'forced although not every balancer could be asked');
    return 'over';
  }
  // In DRAIN a closed connection comes back by its cookie, so nothing is closed there, and nothing waited for.
  const drains = followed(policy, state);
  if (!unknown && open.every(({ balancerName, name }) => drains.includes(`${balancerName}: ${name}`)))
    return leaveOpen(draft, open);
  const queued = open.some((server) => server.queued !== 0);
  if (force.progressAt === null && queued && !late) return 'wait';
  return closeSome(draft, force, open);
}

/**
 * Closes as many at a time as the pace allows, as long as it helps: closing is asynchronous, and only the next poll
 * shows its effect.
 */
function closeSome(draft: Draft, force: Force, open: readonly OpenServer[]): 'over' | 'wait' {
  // With an unknown count, progress cannot be measured.
  const left = open.reduce((sum, server) => sum + (server.left ?? Infinity), 0);
  const progressAt = force.progressAt === null || left < force.left ? draft.at : force.progressAt;
  const going: Force = { ...force, left: Math.min(left, force.left), progressAt };
  patchOuting(draft, { force: going });
  if (draft.at - progressAt >= FORCE_CLOSE_PATIENCE_MS) {
    return leaveOpen(draft, open);
  }
  const { everyMs, limit } = closingSchedule(draft.policy);
  if (draft.at - force.closedAt < everyMs) return 'wait';
  // A list of many streams takes longer than one interval: a second closing would close the same ones, above the pace.
  const idle = draft.policy.balancers.filter(
    ({ name }) => !force.closing.some(({ balancer }) => balancer === name),
  );
  const begun = idle.flatMap(({ name: balancerName }) => closeAt(draft, balancerName, open, limit));
  patchOuting(draft, { force: { ...going, closedAt: draft.at, closing: [...force.closing, ...begun] } });
  return 'wait';
}

function leaveOpen(draft: Draft, open: readonly OpenServer[]): 'over' {
  warn(
    draft,
    'forced: not closed',
    `connections of ${open.map(({ name }) => name).join(', ')} could not be closed`,
  );
  return 'over';
}

/** The pace as a rhythm: at most twice a second, and never less than one at a time. */
export function closingSchedule({ closePerSecond }: Policy): {
  readonly everyMs: number;
  readonly limit: number;
} {
  const everyMs = Math.max(FORCE_CLOSE_EVERY_MS, 1_000 / closePerSecond);
  return { everyMs, limit: Math.floor((closePerSecond * everyMs) / 1_000) };
}

/**
 * Only an empty queue is closed on: HAProxy would give the queued requests to the server instead.
 * @returns the closings begun
 */
function closeAt(draft: Draft, balancer: string, open: readonly OpenServer[], budget: number): Closing[] {
  const here = open.filter(
    ({ balancerName, queued, admin }) => balancerName === balancer && queued === 0 && admin === 'maint',
  );
  const begun: Closing[] = [];
  let room = budget;
  for (const { name, connections } of here) {
    const limit = Math.min(room, connections ?? room);
    if (limit <= 0) continue;
    emit(draft, { type: 'close-connections', balancer, server: name, limit });
    begun.push({ balancer, server: name });
    room -= limit;
  }
  if (open.some(({ balancerName }) => balancerName === balancer)) emit(draft, { type: 'poll', balancer });
  return begun;
}

/** Adds what HAProxy closed, by kind. */
export function onConnectionsClosed(
  draft: Draft,
  { balancer, server, closed, error }: EventOf<'connections-closed'>,
): void {
  const force = draft.state.outing?.force;
  if (force) {
    const closing = force.closing.filter((of) => of.balancer !== balancer || of.server !== server);
    patchOuting(draft, { force: { ...force, closing } });
  }
  if (error !== null) warn(draft, `close ${balancer}`, byName(balancer, error));
  const { op } = draft.state;
  if (!op || !closed) return;
  const tunnels = op.closed.tunnels + closed.tunnels;
  patch(draft, { op: { ...op, closed: { tunnels, requests: op.closed.requests + closed.requests } } });
}

interface OpenServer {
  readonly balancerName: string;
  readonly name: string;
  readonly connections: number | null;
  readonly queued: number | null;
  /** Both together. Null: an old worker did not answer, and may have users (I7). */
  readonly left: number | null;
  readonly admin: string;
}

/** The servers with connections, or with an unknown number of them, of the balancers that count. */
function openServers(policy: Policy, state: State): OpenServer[] {
  const counting = policy.balancers.filter(({ counts }) => counts).map(({ name }) => name);
  return serversOf(state).flatMap(({ balancer, balancerName, name }) => {
    const view = isFresh(balancer, state.epochStartedAt) ? viewOf(balancer, name) : undefined;
    if (!view || !counting.includes(balancerName)) return [];
    const { connections, queued, admin } = view;
    const left = connections === null || queued === null ? null : connections + queued;
    return left === 0 ? [] : [{ balancerName, name, connections, queued, left, admin }];
  });
}
