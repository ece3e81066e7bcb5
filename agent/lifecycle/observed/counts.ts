import { byName } from '../model/named-error.ts';
import type { Policy } from '../model/policy.ts';
import { doubtOf, type Doubt } from './hidden-users.ts';
import type { Fence, Totals } from '../model/outing.ts';
import { isGoneByRecord, type State } from '../model/state.ts';
import { lastSeen, type BalancerState } from '../model/server-state.ts';
import type { Admin, ServerView } from '../model/observation.ts';

/** Counting. The one rule: unknown is never zero (I7). */

const NOT_SEEN_GONE =
  'the application was gone when the sidecar before this one ended, and whether it is gone still was not seen yet';

/** `unreachable: ignore` does without a balancer after so many failed looks, and so long. */
const IGNORED_AFTER_LOOKS = 3;
const IGNORED_AFTER_MS = 10_000;

/** True if a balancer has not answered for a while and the policy allows skipping it. */
export function isIgnored(
  { unreachable }: Policy,
  { now }: Pick<State, 'now'>,
  balancer?: BalancerState,
): boolean {
  const outage = balancer?.outage ?? null;
  if (unreachable !== 'ignore' || outage === null) return false;
  return outage.looks >= IGNORED_AFTER_LOOKS && now - outage.since >= IGNORED_AFTER_MS;
}

/** The connections last seen at all balancers that count, whether these answer now or not. */
export function lastSeenAll(policy: Policy, { balancers }: State): number {
  return policy.balancers.reduce((total, { name, counts }) => {
    const balancer = balancers[name];
    return counts && balancer ? total + lastSeen(balancer) : total;
  }, 0);
}

/** True when the balancer's last look can be relied on: it answered, and was asked at or after `since`. */
export function isFresh(balancer: BalancerState, since: number): boolean {
  return balancer.error === null && balancer.look !== null && balancer.startedAt >= since;
}

/** The server as that balancer last showed it, or undefined. */
export function viewOf(balancer: BalancerState, server: string): ServerView | undefined {
  return balancer.look?.servers.find((view) => view.name === server);
}

/** The state set by a command or by agent-check, without what overrides it. */
export function forcedOf({ admin, over }: ServerView): Admin {
  return over?.forced ?? admin;
}

/** Connections served and queued, on all balancers that count; null when one of them is unknown. */
export function connectionsOf(policy: Policy, state: State, since = -1): number | null {
  return sum(
    countingBalancers(policy, state).map((balancer) => connectionsAt(policy, state, balancer, since)),
  );
}

/** User sessions: the largest count of all sources, since a smaller one has missed users; null when unknown. */
export function userSessions(policy: Policy, state: State, since = -1): number | null {
  if (state.app.gone) return 0;
  const counts = policy.sources.map((name) => sourceCount(state, name, since));
  return counts.some((count) => count === null) ? null : Math.max(0, ...(counts as number[]));
}

/** The number for display: user sessions where a source counts them, else connections. */
export function sessionCount(policy: Policy, state: State, since = -1): number | null {
  return policy.sources.length > 0 ? userSessions(policy, state, since) : connectionsOf(policy, state, since);
}

/** What keeps the node from being empty: users or connections, the larger of the two; null when unknown. */
export function remainingSessions(policy: Policy, state: State): number | null {
  const sessions = sessionCount(policy, state);
  const connections = connectionsOf(policy, state);
  return sessions === null || connections === null ? null : Math.max(sessions, connections);
}

/** The sources and balancers whose count is unknown, each with its error. */
export function unknownTo(policy: Policy, state: State): string[] {
  const sources = state.app.gone
    ? []
    : policy.sources.filter((name) => sourceCount(state, name, -1) === null);
  return [
    ...(isGoneByRecord(state) ? [NOT_SEEN_GONE] : []),
    ...sources.map((name) => `${name}: ${state.sources[name]?.error ?? 'it has not answered'}`),
    ...countingBalancers(policy, state).flatMap(({ name }) => {
      const balancer = state.balancers[name];
      const error = balancer?.error ?? balancer?.look?.unseen ?? null;
      return error === null ? [] : [byName(name, error)];
    }),
  ];
}

/**
 * `zero`: every source and balancer counts 0, asked at or after `since`. `some`: one of them counts more.
 * `unknown`: none counts more, but at least one has not answered. An application that is gone has no users;
 * connections count all the same. Where the record alone says so, that is not known.
 */
export function occupancy(policy: Policy, state: State, since: number): 'zero' | 'some' | 'unknown' {
  const balancers = countingBalancers(policy, state);
  if (balancers.some((balancer) => isSeenAt(state, balancer, since))) return 'some';
  const connections = balancers.map((balancer) => connectionsAt(policy, state, balancer, since));
  const users = state.app.gone ? [] : policy.sources.map((name) => sourceCount(state, name, since));
  const counts = [...connections, ...users];
  if (counts.some((count) => count !== null && count > 0)) return 'some';
  if (isGoneByRecord(state)) return 'unknown';
  if (counts.length === 0) return state.app.gone ? 'zero' : 'unknown';
  return counts.every((count) => count === 0) ? 'zero' : 'unknown';
}

/** Total requests of each server, to detect later whether new ones came. */
export function totalsOf(state: State): Totals {
  const entries = Object.entries(state.balancers).flatMap(([balancerName, balancer]) =>
    Object.keys(balancer.servers).map((name) => [
      `${balancerName} ${name}`,
      viewOf(balancer, name)?.total ?? null,
    ]),
  );
  return Object.fromEntries(entries) as Totals;
}

export function sameTotals(one: Totals, other: Totals): boolean {
  return Object.entries(one).every(([key, total]) => other[key] === total);
}

export function workersOf(state: State): Fence['workers'] {
  return Object.fromEntries(Object.entries(state.balancers).map(([name, { worker }]) => [name, worker]));
}

/**
 * A balancer whose last answer showed users, or could not show all of them, is not skipped: the deadline decides
 * over them.
 */
function countingBalancers(policy: Policy, state: State): Policy['balancers'] {
  return policy.balancers.filter(({ name, counts }) => {
    const balancer = state.balancers[name];
    if (!counts || !balancer || !isIgnored(policy, state, balancer)) return counts;
    return lastSeen(balancer) > 0 || mayHideUsers(policy, state, balancer, -1);
  });
}

function connectionsAt(
  policy: Policy,
  state: State,
  { name: balancerName, servers }: Policy['balancers'][number],
  since: number,
): number | null {
  const balancer = state.balancers[balancerName];
  if (!balancer || !isFresh(balancer, since)) return null;
  if (mayHideUsers(policy, state, balancer, since)) return null;
  return sum(
    servers.map((name) => {
      const view = viewOf(balancer, name);
      return view ? sum([view.connections, view.queued]) : null;
    }),
  );
}

/** A connection or a queued request was seen there, whatever could not be counted beside it. */
function isSeenAt(
  { balancers }: State,
  { name: balancerName, servers }: Policy['balancers'][number],
  since: number,
): boolean {
  const balancer = balancers[balancerName];
  if (!balancer || !isFresh(balancer, since)) return false;
  return servers.some((name) => {
    const { connections, atLeast, queued } = viewOf(balancer, name) ?? {};
    return (connections ?? atLeast ?? 0) + (queued ?? 0) > 0;
  });
}

/** The kernel sees every connection to the application, also those of old workers. */
function mayHideUsers(policy: Policy, state: State, balancer: BalancerState, since: number): boolean {
  if (state.app.gone || doubtOf(policy, balancer, state.now) === null) return false;
  return policy.kernelSource === null || sourceCount(state, policy.kernelSource, since) !== 0;
}

/** Why a balancer's servers may show fewer connections than there are, for the eyes of people; null = they do not. */
export function doubtAt(policy: Policy, state: State, name: string): Doubt | null {
  const known = policy.balancers.find((balancer) => balancer.name === name);
  const balancer = state.balancers[name];
  if (!known?.counts || !balancer || !mayHideUsers(policy, state, balancer, -1)) return null;
  return doubtOf(policy, balancer, state.now);
}

function sourceCount(state: State, name: string, since: number): number | null {
  const source = state.sources[name];
  return source && source.error === null && source.startedAt >= since ? source.count : null;
}

function sum(counts: readonly (number | null)[]): number | null {
  return counts.reduce((total, count) => (total === null || count === null ? null : total + count), 0);
}
