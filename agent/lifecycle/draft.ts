import { desired } from './model/desired.ts';
import type { Effect } from './model/effect.ts';
import type { Event } from './model/event.ts';
import type { Phase } from './model/api.ts';
import type { Outing } from './model/outing.ts';
import { PHASES } from './model/phase.ts';
import type { Policy } from './model/policy.ts';
import type { State } from './model/state.ts';
import type { BalancerState, ServerState, Write } from './model/server-state.ts';
import type { Admin } from './model/observation.ts';
import { isNews, withWarning } from './model/warnings.ts';

/**
 * One step in the making. States are never changed in place: the turn points at the newest one, so the rooms below
 * read like a story while `step` stays a pure function.
 */
export interface Turn {
  readonly policy: Policy;
  readonly at: number;
  state: State;
  readonly effects: Effect[];
}

export type EventOf<T extends Event['type']> = Extract<Event, { type: T }>;

export function patch(turn: Turn, changes: Partial<State>): void {
  turn.state = { ...turn.state, ...changes };
}

export function emit(turn: Turn, ...effects: Effect[]): void {
  turn.effects.push(...effects);
}

/** The id of a request that the lifecycle makes by itself: another one in each node, and at each time. */
export function ownId({ policy, at }: Turn, by: string): string {
  return `${by}-${policy.node}-${Math.round(at)}`;
}

/** Another phase of the same intent. Where a crash interrupted is of no use once the node goes on from there. */
export function enter(turn: Turn, phase: Phase, changes: Partial<State> = {}): void {
  const boot = PHASES[phase].place === 'unknown' ? turn.state.boot : null;
  patch(turn, { boot, ...changes, phase, since: turn.state.phase === phase ? turn.state.since : turn.at });
}

/** What changes with an intent: of the outing, and of the state. */
export type Changes = Partial<Omit<State, 'outing'>> & { readonly outing?: Partial<Outing> | null };

/**
 * A new intent: a new epoch, on disk before anything is done for it.
 * @param changes of the outing (its level gives the desired state of each server; null = it is over) and of the
 *   state
 */
export function intend(turn: Turn, phase: Phase, { outing, ...changes }: Changes = {}): void {
  enter(turn, phase, changes);
  if (outing === null) patch(turn, { outing });
  else patchOuting(turn, { quiet: null, ...outing });
  patch(turn, { epoch: turn.state.epoch + 1, epochAt: turn.at });
  mapServers(turn, (server) => ({
    ...server,
    confirmed: false,
    write: { ...server.write, failures: 0, retryAt: 0 },
  }));
  resave(turn);
}

/** Changes what belongs to the outing; without one there is nothing to change. */
export function patchOuting(turn: Turn, changes: Partial<Outing>): void {
  const { outing } = turn.state;
  if (outing) patch(turn, { outing: { ...outing, ...changes } });
}

/** The same intent with other terms (a deadline, another owner): it counts once it is on disk. */
export function resave(turn: Turn): void {
  save(turn);
  patch(turn, { intentSave: turn.state.save });
}

/** The record as it is at the end of this step goes to disk. */
export function save(turn: Turn): void {
  patch(turn, { save: turn.state.save + 1 });
}

/** True when the present intent is on disk: only then anything is done for it (I8). */
export function isDurable(state: State): boolean {
  return state.saved >= state.intentSave;
}

export function mapServers(
  turn: Turn,
  change: (server: ServerState, name: string, balancer: string) => ServerState,
): void {
  const balancers = Object.entries(turn.state.balancers).map(([name, balancer]): [string, BalancerState] => [
    name,
    {
      ...balancer,
      servers: Object.fromEntries(
        Object.entries(balancer.servers).map(([server, own]) => [server, change(own, server, name)]),
      ),
    },
  ]);
  patch(turn, { balancers: Object.fromEntries(balancers) });
}

export function patchBalancer(turn: Turn, name: string, changes: Partial<BalancerState>): void {
  const balancer = turn.state.balancers[name];
  if (balancer) patch(turn, { balancers: { ...turn.state.balancers, [name]: { ...balancer, ...changes } } });
}

export function patchServer(
  turn: Turn,
  balancer: string,
  server: string,
  changes: Partial<ServerState>,
): void {
  const servers = turn.state.balancers[balancer]?.servers;
  const own = servers?.[server];
  if (own) patchBalancer(turn, balancer, { servers: { ...servers, [server]: { ...own, ...changes } } });
}

export function patchWrite(turn: Turn, balancer: string, server: string, changes: Partial<Write>): void {
  const own = turn.state.balancers[balancer]?.servers[server];
  if (own) patchServer(turn, balancer, server, { write: { ...own.write, ...changes } });
}

/**
 * Writes a warning to the log, and to the result of the running operation.
 * @param subject what it is about, of a finite set (no elapsed time, no error): a later text replaces an earlier
 *   one, and the log gets it again where more than its numbers have changed
 */
export function warn(turn: Turn, subject: string, text: string): void {
  const { op } = turn.state;
  const told = op?.warnings ?? [];
  if (isNews(told, { subject, text })) emit(turn, { type: 'log', level: 'warn', text });
  const warnings = withWarning(told, { subject, text });
  if (op && warnings !== told) patch(turn, { op: { ...op, warnings } });
}

/** Raises an alarm (shown by `status` until it is over) or takes it off. */
export function alarm(turn: Turn, subject: string, text: string | null): void {
  const { [subject]: standing, ...others } = turn.state.alarms;
  if (text === null) {
    if (standing !== undefined) patch(turn, { alarms: others });
    return;
  }
  if (standing === text) return;
  emit(turn, { type: 'log', level: 'error', text });
  patch(turn, { alarms: { ...others, [subject]: text } });
}

/** One server, its balancer, and its desired state. */
export interface Placed {
  readonly balancer: BalancerState;
  readonly at: string;
  readonly name: string;
  readonly server: ServerState;
  readonly want: Admin | null;
}

/** The servers that the configuration lists. */
export function serversOf(state: State): Placed[] {
  return allServersOf(state).filter(({ server }) => !server.isLost);
}

/** Those that it lost while they were ours as well: they are set, and neither looked at nor counted. */
export function allServersOf(state: State): Placed[] {
  return Object.entries(state.balancers).flatMap(([at, balancer]) =>
    Object.entries(balancer.servers).map(([name, server]) => ({
      balancer,
      at,
      name,
      server,
      want: desired(state, server),
    })),
  );
}
