import { isIgnored, isFresh, viewOf } from './counts.ts';
import { howMany } from '../model/how-many.ts';
import { listed } from '../model/objection.ts';
import { NEW_CAPACITY, type CapacityLevel } from '../model/outing.ts';
import { stopsApp } from '../model/operation.ts';
import type { Policy } from '../model/policy.ts';
import type { State } from '../model/state.ts';
import type { BalancerState, ServerState } from '../model/server-state.ts';
import type { Capacity, Look, Role, ServerView } from '../model/observation.ts';
import type { Sibling } from '../model/survey.ts';

/** Counting the others: how many servers take new users in the place of ours. Unknown is never enough. */

/** One of our servers whose absence costs capacity, and how many others there are. */
export interface OthersCount {
  readonly at: string;
  /** `backend/server` */
  readonly name: string;
  /** null = unknown. */
  readonly others: number | null;
}

/**
 * Only balancers that count take part: no guard is promised where a balancer only polls.
 * @param since polls begun earlier do not count
 */
export function countOthers(policy: Policy, state: State, since: number): OthersCount[] {
  return policy.balancers
    .filter(({ name, counts }) => counts && !isIgnored(policy, state, state.balancers[name]))
    .flatMap(({ name }) => countOthersAt(policy, state, name, since));
}

/** The same of one balancer. */
export function countOthersAt(
  policy: Policy,
  state: State,
  balancerName: string,
  since: number,
): OthersCount[] {
  const balancer = state.balancers[balancerName];
  if (!balancer) return [];
  const { siblings: seen, idle } = state.outing?.capacity ?? NEW_CAPACITY;
  const ours = Object.entries(balancer.servers).filter(([, server]) => isOurs(server));
  if (!isFresh(balancer, since)) return ours.map(([name]) => ({ at: balancerName, name, others: null }));
  return ours.flatMap(([name]) => {
    const view = viewOf(balancer, name);
    if (!view) return [{ at: balancerName, name, others: null }];
    if (!(costsCapacity(view) ?? idle[keyOf(balancerName, name)] !== true)) return [];
    const last = seen[balancerName];
    const siblings = last && last.startedAt >= balancer.startedAt ? last.siblings : null;
    const others =
      siblings === null
        ? othersInRow(policy, state, balancer, view)
        : othersAmong(policy, state, { balancer, view }, siblings).usable;
    return [{ at: balancerName, name, others }];
  });
}

/** `short` where one of ours has too few others, whatever is unknown of the rest. */
export type GuardVerdict = 'enough' | 'short' | 'unknown';

/** The verdict over all counts; `enough` where no server costs capacity. */
export function verdictOf({ keep }: Policy, counts: readonly OthersCount[]): GuardVerdict {
  if (counts.some(({ others }) => others !== null && others < keep)) return 'short';
  return counts.some(({ others }) => others === null) ? 'unknown' : 'enough';
}

/** Where they are too few. */
export function shortOf(policy: Policy, state: State, since: number): OthersCount[] {
  return countOthers(policy, state, since).filter(({ others }) => others !== null && others < policy.keep);
}

/** It was in service when it became ours, nothing else keeps it out, and the configuration still has it. */
function isOurs({ found, foreign, isLost }: ServerState): boolean {
  return !isLost && found !== null && found.admin === 'ready' && found.weight !== 0 && foreign === null;
}

/** It would take new users if it were READY; null where MAINT hides it. */
function costsCapacity({ admin, operational, absent, over }: ServerView): boolean | null {
  if (absent !== undefined || over) return false;
  return admin === 'maint' ? null : operational === 'up' || operational === 'starting';
}

/** Which of the servers that a look shows take no new users, or would take none if they were READY. */
export function idleOf(balancerName: string, look: Look): CapacityLevel['idle'] {
  return Object.fromEntries(
    look.servers.flatMap((view) => {
      const costs = costsCapacity(view);
      return costs === null ? [] : [[keyOf(balancerName, view.name), !costs]];
    }),
  );
}

function keyOf(balancerName: string, name: string): string {
  return `${balancerName} ${name}`;
}

/** By the row alone, which contains this application's other servers too: those known to be usable are subtracted. */
function othersInRow(policy: Policy, state: State, balancer: BalancerState, view: ServerView): number | null {
  const row = capacityOf(balancer, view.name);
  const backups = policy.keepBackups && row?.role === 'active' ? row.usableBackups : 0;
  if (!row || row.usableOthers === null || backups === null) return null;
  const relatives = (balancer.around?.relatives ?? []).filter(
    ({ name, by, role, usable }) =>
      usable &&
      backendOf(name) === backendOf(view.name) &&
      serves(policy, row.role, role) &&
      // One that tracks ours is counted only as long as ours is in service.
      (by === 'track' ? view.admin === 'ready' : stops(state)),
  );
  return Math.max(0, row.usableOthers + backups - relatives.length);
}

/**
 * Would there be enough if those siblings in DRAIN that `gives` picks were put back?
 * @returns null while the siblings have not been seen since
 */
export function wouldDo(
  policy: Policy,
  state: State,
  { at: balancerName, name, others }: OthersCount,
  since: number,
  gives: (sibling: string) => boolean,
): boolean | null {
  const seen = state.outing?.capacity.siblings[balancerName];
  if (!seen || seen.startedAt < since) return null;
  const { inDrain } = siblingsOf(policy, state, balancerName, name);
  return (others ?? 0) + inDrain.filter(gives).length >= policy.keep;
}

/** The text of a shortage: how many are left, and which siblings are going out too, as far as surveyed. */
export function shortageText(policy: Policy, state: State, short: readonly OthersCount[]): string {
  const each = short.map(({ at: balancerName, name, others }) => {
    const { inDrain, inMaint } = siblingsOf(policy, state, balancerName, name);
    const out = [
      ...inDrain.map((one) => `${one} is in DRAIN`),
      ...inMaint.map((one) => `${one} is in MAINT`),
    ];
    return `${balancerName}: ${name} leaves ${howMany(others, 'other usable server')}${out.length === 0 ? '' : ` (${listed(out, 3)})`}`;
  });
  return `${listed(each)}, and drain.keep is ${policy.keep}`;
}

function siblingsOf(policy: Policy, state: State, balancerName: string, name: string): Beside {
  const balancer = state.balancers[balancerName];
  const siblings = state.outing?.capacity.siblings[balancerName]?.siblings ?? [];
  return balancer
    ? othersAmong(policy, state, { balancer, view: { name } }, siblings)
    : { usable: 0, inDrain: [], inMaint: [] };
}

/** Which of its siblings serve the users of one of our servers. */
interface Beside {
  readonly usable: number;
  /** Names of those in DRAIN that would take users if they were READY. */
  readonly inDrain: readonly string[];
  /** Names of those in MAINT. */
  readonly inMaint: readonly string[];
}

/** @param own our server, as it was seen */
function othersAmong(
  policy: Policy,
  state: State,
  { balancer, view }: { readonly balancer: BalancerState; readonly view: Pick<ServerView, 'name'> },
  siblings: readonly Sibling[],
): Beside {
  const own = capacityOf(balancer, view.name)?.role ?? null;
  const others = siblings.filter(
    ({ name, role, by }) =>
      backendOf(name) === backendOf(view.name) &&
      serves(policy, own, role) &&
      by !== 'track' &&
      (by !== 'address' || !stops(state)),
  );
  const named = (some: (one: Sibling) => boolean): string[] => others.filter(some).map(({ name }) => name);
  return {
    usable: others.filter(({ usable }) => usable).length,
    inDrain: named(({ forced, couldServe }) => forced === 'drain' && couldServe),
    inMaint: named(({ forced }) => forced === 'maint'),
  };
}

function capacityOf({ look }: BalancerState, name: string): Capacity | undefined {
  return look?.capacity?.find((one) => one.name === name);
}

/** For a backup the active servers count too; for an active server the backups do where the policy allows it. */
function serves({ keepBackups }: Policy, own: Role | null, other: Role | null): boolean {
  return other === 'active' || (other === 'backup' && (own === 'backup' || keepBackups));
}

/** The application itself will end, and with it every server of its address. */
function stops({ op }: State): boolean {
  return stopsApp(op?.kind);
}

function backendOf(name: string): string {
  return name.split('/', 1)[0] ?? '';
}
