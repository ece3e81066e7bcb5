import { desired } from './desired.ts';
import type { Admin, Worker } from './observation.ts';
import type { Operation } from './operation.ts';
import { NEW_OUTING, type Outing } from './outing.ts';
import type { Policy } from './policy.ts';
import type { Ramp } from './ramp.ts';
import type { Slot, SlotRequest } from './slot.ts';
import type {
  SavedOperation,
  SavedRamp,
  SavedServer,
  SavedSlot,
  SavedWorker,
  StateRecord,
} from './record.ts';
import { type BalancerState, type ServerState, lastSeen } from './server-state.ts';
import type { State } from './state.ts';
import { isUnnamed } from './unnamed.ts';
import { MOST_WARNINGS } from './warnings.ts';

/** The record of a state: its parts as the disk keeps them. */

/**
 * The record of a state, as of `at`.
 * @param policy the pool of the node: where its slot does not name a server yet, nothing is about to be written
 */
export function recordOf(
  state: State,
  at: number,
  policy: Pick<Policy, 'pool'> = { pool: null },
): StateRecord {
  const balancers = savedBalancers(state, policy);
  const { app, epoch, hold, op, signedOut, slot } = state;
  const waiting = [...calledOf(state), ...state.waiting];
  return {
    savedAt: at,
    // A second crash before the sidecar went on from a first one: the phase that the first one interrupted goes on.
    phase: state.boot?.to ?? state.phase,
    epoch,
    op: op && savedOperation(op),
    balancers,
    proof: app.proof,
    appGone: app.gone,
    ...(app.unprovenEnd !== null && { appUnproven: true }),
    stopIssued: app.stopIssued,
    start: app.start,
    ...savedOuting(state.outing),
    fencedBefore: state.outing?.fencedBefore === true || everWroteMaint(balancers),
    signedOut,
    fresh: state.boot?.fresh ?? false,
    hold,
    ...(slot !== null && { slot: savedSlot(slot) }),
    ...(waiting.length > 0 && { waiting }),
  };
}

function savedBalancers(state: State, policy: Pick<Policy, 'pool'>): StateRecord['balancers'] {
  const savedServers = (name: string, servers: BalancerState['servers']): Record<string, SavedServer> =>
    mapValues(servers, (own, server) =>
      saved(own, isUnnamed(policy, state, name, server) ? null : desired(state, own)),
    );
  // Servers that the configuration lost are saved as they were: configured again they are understood as before.
  const lost = mapValues(state.lost, (servers, name) => ({
    ...savedWorker(null),
    servers: savedServers(name, servers),
  }));
  const balancers = mapValues(state.balancers, (balancer, name) => ({
    ...savedWorker(balancer.worker),
    ...(balancer.around === null ? {} : { relatives: balancer.around.relatives }),
    seen: lastSeen(balancer),
    addresses: balancer.addresses,
    reloaded: balancer.reloaded !== null,
    servers: savedServers(name, balancer.servers),
  }));
  return { ...lost, ...balancers };
}

/**
 * Requests that were accepted, whose slot has come, and that are no operation yet: after a crash they wait for it anew.
 */
function calledOf({ candidate, pending, queue, op, hold }: State): readonly SlotRequest[] {
  const begun = [op, ...(op?.tickets ?? []), ...(hold?.askers ?? [])].map((one) => one?.id);
  const requests = [pending?.request, candidate?.request, ...queue].filter((one) => one !== undefined);
  return requests.flatMap(({ accepted, ...request }) =>
    accepted === undefined || begun.includes(request.id) ? [] : [{ request, ...accepted }],
  );
}

/** MAINT was written, or is about to be. */
export function everWroteMaint(balancers: StateRecord['balancers']): boolean {
  return Object.values(balancers).some(({ servers }) =>
    Object.values(servers).some(({ said }) => said.includes('maint')),
  );
}

function savedOperation(op: Operation): SavedOperation {
  return {
    ...op,
    // It may be asked for as soon as this is on disk, and never a second time (I6).
    reboot: op.reboot === 'intended' ? 'sent' : op.reboot,
    warnings: op.warnings.slice(0, MOST_WARNINGS).map(({ text }) => text),
    subjects: op.warnings.map(({ subject }) => subject),
    baseline: mapValues(op.baseline, ({ worker, counters }) => ({ ...savedWorker(worker), counters })),
  };
}

function savedOuting(
  outing: Outing | null,
): Pick<
  Required<StateRecord>,
  | 'forcedOut'
  | 'noFence'
  | 'restoring'
  | 'expiresAt'
  | 'expiresMs'
  | 'sticky'
  | 'level'
  | 'lasting'
  | 'capacity'
> {
  const { forcedOut, fenced, expiresAt, expiresMs, sticky, level, lasting, capacity } = outing ?? NEW_OUTING;
  const { isOver, drainedIn } = capacity;
  return {
    forcedOut,
    noFence: !fenced,
    restoring: level === 'found',
    expiresAt,
    expiresMs,
    sticky,
    level: outing === null ? null : level,
    lasting,
    capacity: { isOver, drainedIn },
  };
}

function savedWorker(worker: Worker | null): Required<SavedWorker> {
  return { pid: worker?.pid ?? null, bornAt: worker?.bornAt ?? null };
}

export function mapValues<T, U>(
  record: Readonly<Record<string, T>>,
  change: (value: T, key: string) => U,
): Record<string, U> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, change(value, key)]));
}

/**
 * The desired state counts as possibly set: it is saved before it is written to HAProxy, and a crash may come after
 * that.
 */
export function saved(
  { found, possiblyOurs: ours, everWritten: said, foreign: held, applied: stood, ramp }: ServerState,
  target: Admin | null,
): SavedServer {
  const told = stood && { admin: stood.admin, at: stood.at, ...savedWorker(stood.worker) };
  const heldIn = held === 'unknown' ? null : held;
  const whose = { held: held !== null, heldIn, told, ...(ramp !== null && { ramp: savedRamp(ramp) }) };
  const known = { found, want: target, ...whose };
  if (target === null || held !== null) return { ...known, ours, said };
  return { ...known, ours: [...new Set([...ours, target])], said: [...new Set([...said, target])] };
}

function savedRamp({ ours: _ours, write: _write, ...ramp }: Ramp): SavedRamp {
  return ramp;
}

/** What happens while no sidecar runs is unknown: the time of a soak begins anew. */
function savedSlot({ claim, lock, wasHeld, namedAtLock, isOver, failure, soak }: Slot): SavedSlot {
  const known = { claim, lock, wasHeld, namedAtLock };
  return { ...known, isOver, failure, ...(soak !== null && { soak: { ...soak, since: null } }) };
}
