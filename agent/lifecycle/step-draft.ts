import { desired } from './model/desired.ts';
import type { Effect } from './model/effect.ts';
import type { Event } from './model/event.ts';
import type { Phase } from './model/api.ts';
import type { Outing } from './model/outing.ts';
import { PHASES } from './model/phase.ts';
import type { Policy } from './model/policy.ts';
import type { Ramp } from './model/ramp.ts';
import type { State } from './model/state.ts';
import type { BalancerState, ServerState } from './model/server-state.ts';
import type { Write } from './model/write.ts';
import type { Admin } from './model/observation.ts';
import { isNews, withWarning } from './model/warnings.ts';

/**
 * Mutable draft of one step. The input state is never changed: the draft points at the newest one, so `step` stays a pure
 * function.
 */
export interface Draft {
  readonly policy: Policy;
  readonly at: number;
  state: State;
  readonly effects: Effect[];
}

export type EventOf<T extends Event['type']> = Extract<Event, { type: T }>;

export function patch(draft: Draft, changes: Partial<State>): void {
  draft.state = { ...draft.state, ...changes };
}

export function emit(draft: Draft, ...effects: Effect[]): void {
  draft.effects.push(...effects);
}

/** The id of a request that the lifecycle makes by itself: another one in each node, and at each time. */
export function ownId({ policy, at }: Draft, by: string): string {
  return `${by}-${policy.node}-${Math.round(at)}`;
}

/** Another phase of the same intent. Where a crash interrupted is of no use once the node goes on from there. */
export function enterPhase(draft: Draft, phase: Phase, changes: Partial<State> = {}): void {
  const boot = PHASES[phase].place === 'unknown' ? draft.state.boot : null;
  patch(draft, {
    boot,
    ...changes,
    phase,
    since: draft.state.phase === phase ? draft.state.since : draft.at,
  });
}

/** What changes with an intent: of the outing, and of the state. */
export type Changes = Partial<Omit<State, 'outing'>> & { readonly outing?: Partial<Outing> | null };

/**
 * A new intent: a new epoch, on disk before anything is done for it.
 * @param changes of the outing (its level gives the desired state of each server; null = it is over) and of the
 *   state
 */
export function setIntent(draft: Draft, phase: Phase, { outing, ...changes }: Changes = {}): void {
  enterPhase(draft, phase, changes);
  if (outing === null) patch(draft, { outing });
  else patchOuting(draft, { quiet: null, ...outing });
  patch(draft, { epoch: draft.state.epoch + 1, epochStartedAt: draft.at });
  mapServers(draft, (server) => ({
    ...server,
    inSync: false,
    write: { ...server.write, failures: 0, retryAt: 0 },
  }));
  resave(draft);
}

/** Changes what belongs to the outing; without one there is nothing to change. */
export function patchOuting(draft: Draft, changes: Partial<Outing>): void {
  const { outing } = draft.state;
  if (outing) patch(draft, { outing: { ...outing, ...changes } });
}

/** The same intent with other terms (a deadline, another owner): it counts once it is on disk. */
export function resave(draft: Draft): void {
  save(draft);
  patch(draft, { intentSave: draft.state.save });
}

/** The record as it is at the end of this step goes to disk. */
export function save(draft: Draft): void {
  patch(draft, { save: draft.state.save + 1 });
}

/** True when the present intent is on disk: only then anything is done for it (I8). */
export function isDurable(state: State): boolean {
  return state.saved >= state.intentSave;
}

export function mapServers(
  draft: Draft,
  change: (server: ServerState, name: string, balancer: string) => ServerState,
): void {
  const balancers = Object.entries(draft.state.balancers).map(([name, balancer]): [string, BalancerState] => [
    name,
    {
      ...balancer,
      servers: Object.fromEntries(
        Object.entries(balancer.servers).map(([server, own]) => [server, change(own, server, name)]),
      ),
    },
  ]);
  patch(draft, { balancers: Object.fromEntries(balancers) });
}

export function patchBalancer(draft: Draft, name: string, changes: Partial<BalancerState>): void {
  const balancer = draft.state.balancers[name];
  if (balancer)
    patch(draft, { balancers: { ...draft.state.balancers, [name]: { ...balancer, ...changes } } });
}

export function patchServer(
  draft: Draft,
  balancer: string,
  server: string,
  changes: Partial<ServerState>,
): void {
  const servers = draft.state.balancers[balancer]?.servers;
  const own = servers?.[server];
  if (own) patchBalancer(draft, balancer, { servers: { ...servers, [server]: { ...own, ...changes } } });
}

export function patchWrite(draft: Draft, balancer: string, server: string, changes: Partial<Write>): void {
  const own = draft.state.balancers[balancer]?.servers[server];
  if (own) patchServer(draft, balancer, server, { write: { ...own.write, ...changes } });
}

/** Changes the ramp of a server that has one. */
export function patchRamp(draft: Draft, balancer: string, server: string, changes: Partial<Ramp>): void {
  const ramp = draft.state.balancers[balancer]?.servers[server]?.ramp ?? null;
  if (ramp !== null) patchServer(draft, balancer, server, { ramp: { ...ramp, ...changes } });
}

/**
 * Writes a warning to the log, and to the result of the running operation.
 * @param subject what it is about, of a finite set (no elapsed time, no error): a later text replaces an earlier
 *   one, and the log gets it again where more than its numbers have changed
 */
export function warn(draft: Draft, subject: string, text: string): void {
  const { op } = draft.state;
  const earlier = op?.warnings ?? [];
  if (isNews(earlier, { subject, text })) emit(draft, { type: 'log', level: 'warn', text });
  const warnings = withWarning(earlier, { subject, text });
  if (op && warnings !== earlier) patch(draft, { op: { ...op, warnings } });
}

/** Raises an alarm (shown by `status` until it is over) or takes it off. */
export function alarm(draft: Draft, subject: string, text: string | null): void {
  const { [subject]: standing, ...others } = draft.state.alarms;
  if (text === null) {
    if (standing !== undefined) patch(draft, { alarms: others });
    return;
  }
  if (standing === text) return;
  emit(draft, { type: 'log', level: 'error', text });
  patch(draft, { alarms: { ...others, [subject]: text } });
}

/** One server, its balancer, and its desired state. */
export interface ServerPlace {
  readonly balancer: BalancerState;
  readonly balancerName: string;
  readonly name: string;
  readonly server: ServerState;
  readonly target: Admin | null;
}

/** The servers that the configuration lists. */
export function serversOf(state: State): ServerPlace[] {
  return allServersOf(state).filter(({ server }) => !server.isLost);
}

/** Those that it lost while they were ours as well: they are set, and neither looked at nor counted. */
export function allServersOf(state: State): ServerPlace[] {
  return Object.entries(state.balancers).flatMap(([balancerName, balancer]) =>
    Object.entries(balancer.servers).map(([name, server]) => ({
      balancer,
      balancerName,
      name,
      server,
      target: desired(state, server),
    })),
  );
}
