import { desired } from './desired.ts';
import type { Phase } from './api.ts';
import { type CapacityLevel, NEW_OUTING, type Outing } from './outing.ts';
import type { Operation } from './operation.ts';
import type { Hold, StartStep, State } from './state.ts';
import { lastSeen, type BalancerState, type ServerState, type AppliedState } from './server-state.ts';
import type { Addresses, Admin, Counters, Proof, Worker } from './observation.ts';
import type { Relative } from './survey.ts';
import { MOST_WARNINGS } from './warnings.ts';

/**
 * What survives a crash: the intent and all that is needed to carry it on or to undo it. Written before it is
 * acknowledged or acted upon. Times are monotonic milliseconds of the boot that wrote them. It is flat, and is read by
 * the version before and the version after: fields are added, and what an older record lacks has a meaning.
 */
export interface StateRecord {
  readonly savedAt: number;
  readonly phase: Phase;
  readonly epoch: number;
  readonly op: SavedOperation | null;
  readonly balancers: Readonly<
    Record<
      string,
      SavedWorker & {
        /** Absent in an older record. */
        readonly relatives?: readonly Relative[];
        /** How many connections its last look had shown. */
        readonly seen?: number;
        /** Where its servers were seen last. */
        readonly addresses?: Addresses;
        /**
         * A reload may have brought servers of this application, and no survey has answered yet; absent = no
         * reload.
         */
        readonly reloaded?: boolean;
        readonly servers: Readonly<Record<string, SavedServer>>;
      }
    >
  >;
  readonly proof: Proof | null;
  readonly appGone: boolean;
  /** Its end is not proven. Absent in an older record. */
  readonly appUnproven?: boolean;
  readonly stopIssued: boolean;
  readonly start: StartStep;
  readonly forcedOut: boolean;
  readonly noFence: boolean;
  readonly restoring: boolean;
  readonly expiresAt: number | null;
  readonly sticky: string | null;
  /** Absent in an older record. */
  readonly level?: Outing['level'] | null;
  readonly lasting?: boolean;
  readonly expiresMs?: number | null;
  readonly capacity?: Pick<CapacityLevel, 'isOver' | 'drainedIn'>;
  readonly signedOut?: State['signedOut'];
  /** The application was started afresh, and the start that found that was interrupted before it went on. */
  readonly fresh?: boolean;
  /** MAINT was written in this outing; absent in an older record, which has only the servers' states. */
  readonly fencedBefore?: boolean;
  readonly hold: SavedHold | null;
}

type SavedHold = Omit<Hold, 'askers'> & Partial<Pick<Hold, 'askers'>>;

/** A worker, or none; `bornAt` is missing in records of versions that identified a worker by its pid alone. */
export interface SavedWorker {
  readonly pid: number | null;
  readonly bornAt?: number | null;
}

type SavedTold = Omit<AppliedState, 'worker'> & SavedWorker;
export type SavedServer = Pick<ServerState, 'found'> & {
  /** `ServerState.possiblyOurs`, and `everWritten`. */
  readonly ours: readonly Admin[];
  readonly said: readonly Admin[];
  /** What was wanted: the level of an outing follows from it in an older record. */
  readonly want: Admin | null;
  readonly held: boolean;
  /** Absent in an older record. */
  readonly heldIn?: Admin | null;
  readonly told?: SavedTold | null;
};
export type SavedOperation = Omit<Operation, 'baseline' | 'warnings' | 'joined'> & {
  /** Their texts, and what each is about: by its place, absent in an older record. */
  readonly warnings: readonly string[];
  readonly subjects?: readonly string[];
  /** Absent in an older record. */
  readonly joined?: Operation['joined'];
  readonly baseline: Readonly<Record<string, SavedWorker & { readonly counters: Counters | null }>>;
};

/** The record of a state, as of `at`. */
export function recordOf(state: State, at: number): StateRecord {
  const savedServers = (servers: BalancerState['servers']): Readonly<Record<string, SavedServer>> =>
    mapValues(servers, (own) => saved(own, desired(state, own)));
  const balancers = mapValues(state.balancers, (balancer) => ({
    ...savedWorker(balancer.worker),
    ...(balancer.around === null ? {} : { relatives: balancer.around.relatives }),
    seen: lastSeen(balancer),
    addresses: balancer.addresses,
    reloaded: balancer.reloaded !== null,
    servers: savedServers(balancer.servers),
  }));
  // Servers that the configuration lost are saved as they were: configured again they are understood as before.
  const lost = mapValues(state.lost, (servers) => ({
    ...savedWorker(null),
    servers: savedServers(servers),
  }));
  const { app, epoch, hold, op, signedOut } = state;
  return {
    savedAt: at,
    // A crash while a crash is being made good: where it was interrupted first is what goes on.
    phase: state.boot?.to ?? state.phase,
    epoch,
    op: op && savedOperation(op),
    balancers: { ...lost, ...balancers },
    proof: app.proof,
    appGone: app.gone,
    ...(app.remains !== null && { appUnproven: true }),
    stopIssued: app.stopIssued,
    start: app.start,
    ...savedOuting(state.outing),
    fencedBefore: state.outing?.fencedBefore === true || saidMaint({ ...lost, ...balancers }),
    signedOut,
    fresh: state.boot?.fresh ?? false,
    hold,
  };
}

/** MAINT was written, or is about to be. */
export function saidMaint(balancers: StateRecord['balancers']): boolean {
  return Object.values(balancers).some(({ servers }) =>
    Object.values(servers).some(({ said }) => said.includes('maint')),
  );
}

function savedOperation(op: Operation): SavedOperation {
  return {
    ...op,
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
  change: (value: T) => U,
): Readonly<Record<string, U>> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, change(value)]));
}

/**
 * The desired state counts as possibly set: it is saved before it is written to HAProxy, and a crash may come after
 * that.
 */
export function saved(
  { found, possiblyOurs: ours, everWritten: said, foreign: held, applied: stood }: ServerState,
  want: Admin | null,
): SavedServer {
  const told = stood && { admin: stood.admin, at: stood.at, ...savedWorker(stood.worker) };
  const heldIn = held === 'unknown' ? null : held;
  const whose = { held: held !== null, heldIn, told };
  if (want === null || held !== null) return { found, want, ours, said, ...whose };
  return { found, want, ours: [...new Set([...ours, want])], said: [...new Set([...said, want])], ...whose };
}
