import { awaited } from '../sync/awaited.ts';
import { doubtAt, sessionCount, viewOf } from '../observed/counts.ts';
import { desired } from '../model/desired.ts';
import { doubtText, type Doubt } from '../observed/hidden-users.ts';
import type { Neighbours, Owner, Status, StatusBalancer, StatusOperation, StatusSlot } from '../model/api.ts';
import { isoOf } from '../model/iso.ts';
import type { SlotRequest } from '../model/slot.ts';
import type { Forecast } from '../model/forecast.ts';
import type { Policy } from '../model/policy.ts';
import { reassertsReport, stateShown } from './result.ts';
import type { State } from '../model/state.ts';
import type { BalancerState, ServerState, SourceState } from '../model/server-state.ts';
import type { Admin, ServerView } from '../model/observation.ts';

/** What the engine measures besides the state. */
export interface Measured {
  /** How long after a count of each source the next one comes, in milliseconds. */
  readonly everyMs?: Readonly<Record<string, number>>;
  /** Why the latest probe was bad; null = it was not, or there is none. */
  readonly healthReason?: string | null;
}

/**
 * What `status` shows.
 * @param now monotonic milliseconds
 * @param iso the calendar time of a monotonic one, as people read it
 */
export function statusOf(
  policy: Policy,
  state: State,
  { everyMs = {}, healthReason = null, ...outlook }: Forecast & Measured,
  now: number,
  iso: (at: number) => string,
): Status {
  return {
    node: policy.node,
    phase: state.phase,
    since: iso(state.since),
    health: state.health,
    healthReason,
    operation: operationOf(state, now),
    hold: state.hold && { admin: state.hold.admin, by: state.hold.by, reason: state.hold.reason },
    balancers: policy.balancers.map(({ name, servers }) =>
      statusOfBalancer(name, servers, state, { doubt: doubtAt(policy, state, name), iso }),
    ),
    sessions: {
      total: sessionCount(policy, state),
      sources: policy.sources.map((name) => statusOfSource(name, state.sources[name], everyMs[name], iso)),
    },
    slot: slotOf(policy, state),
    waits: awaited({ policy, state, at: now }),
    ...outlook,
    reasserts: reassertsReport(state.reasserts),
    alarms: Object.values(state.alarms),
  };
}

function slotOf({ pool }: Policy, { slot }: State): StatusSlot | null {
  if (pool === null) return null;
  const { name, slots, brake } = pool;
  if (slot === null)
    return { pool: name, slots, brake, is: 'none', position: null, error: null, holders: [] };
  const { is, view, error, claim } = slot;
  const own = view?.waiters.find((one) => one.claim.id === claim.id);
  const holders = (view?.holders ?? []).map(({ claim: held, state, failure, since, alive }) => {
    const { node, operation, by, reason } = held;
    return { node, state, operation, by, reason, since: isoOf(since), failure, alive };
  });
  const of = { pool: claim.pool, slots: view?.slots ?? slots, brake: view?.brake ?? brake };
  return { ...of, is, position: own?.position ?? null, error, holders };
}

/** The operation that runs, or else the request that waits for a slot. */
function operationOf({ op, waiting }: State, now: number): StatusOperation | null {
  const [first] = waiting;
  if (op === null && first === undefined) return null;
  const { id, kind, by, reason } = op ?? (first as SlotRequest).request;
  const { startedAt, deadline } = op ?? { startedAt: first?.since ?? now, deadline: first?.deadline ?? now };
  return {
    id,
    operation: kind,
    by,
    reason,
    seconds: Math.round(now - startedAt) / 1000,
    remaining: Math.max(0, Math.round(deadline - now) / 1000),
    onTimeout: op?.onTimeout ?? first?.request.onTimeout ?? 'restore',
  };
}

function statusOfSource(
  name: string,
  source: SourceState | undefined,
  everyMs: number | undefined,
  iso: (at: number) => string,
): Status['sessions']['sources'][number] {
  const { count = null, at = null, error = null } = source ?? {};
  return {
    name,
    count,
    at: at === null ? null : iso(at),
    every: Math.round(everyMs ?? 0) / 1_000,
    error,
  };
}

function statusOfBalancer(
  name: string,
  servers: readonly string[],
  { balancers, hold, op, outing }: State,
  { doubt, iso }: { readonly doubt: Doubt | null; readonly iso: (at: number) => string },
): StatusBalancer {
  const balancer = balancers[name];
  const reachable = balancer !== undefined && balancer.error === null && balancer.look !== null;
  return {
    name,
    reachable,
    error:
      balancer?.error ??
      balancer?.look?.unseen ??
      absentIn(balancer) ??
      (doubt && doubtText(doubt, (at) => `until ${iso(at)}`)),
    pid: balancer?.worker?.pid ?? null,
    workers: reachable ? (balancer.look?.workers ?? null) : null,
    waitsFor: (balancer?.look?.waitsFor ?? []).map(({ poller, silentSince }) => ({
      poller,
      silentSince: iso(silentSince),
    })),
    servers: servers.map((server) => {
      const view = reachable ? viewOf(balancer, server) : undefined;
      const own = balancer?.servers[server];
      const applied = own?.applied ?? null;
      return {
        name: server,
        ...stateShown(view),
        owner: ownerOf(own, own ? desired({ hold, op, outing }, own) : null, view, hold),
        found: own?.found?.admin ?? null,
        applied: applied && { admin: applied.admin, at: iso(applied.at), pid: applied.worker?.pid ?? null },
        neighbours: neighboursOf(balancer, server, iso),
        connections: doubt ? null : (view?.connections ?? null),
        queued: view?.queued ?? null,
      };
    }),
  };
}

function absentIn(balancer: BalancerState | undefined): string | null {
  const texts = (balancer?.look?.servers ?? []).flatMap(({ absent }) => absent ?? []);
  return texts.length === 0 ? null : texts.join(', ');
}

function neighboursOf(
  balancer: BalancerState | undefined,
  server: string,
  iso: (at: number) => string,
): Neighbours | null {
  const fact = balancer?.around?.facts.find(({ name }) => name === server);
  if (!balancer?.around || !fact) return null;
  return { usable: fact.usableOthers, missing: fact.missing, at: iso(balancer.around.at) };
}

/** What keeps the server out of rotation, by HAProxy's bits and our own record. */
function ownerOf(
  own: ServerState | undefined,
  target: Admin | null,
  view: ServerView | undefined,
  hold: State['hold'],
): Owner {
  if (!view || view.admin === 'ready' || view.absent !== undefined) return 'none';
  if (view.over && view.admin !== target) return 'config';
  if (target !== null && own?.foreign === null) return hold ? 'operator' : 'lastcall';
  return view.origin === 'forced' ? 'operator' : 'config';
}
