import type { Phase } from './operation.ts';
import { lastSeen } from './count.ts';
import { desired } from './desired.ts';
import { type CapacityLevel, NEW_CAPACITY, NEW_OUTING, type Outing } from './outing.ts';
import { PHASES } from './phases.ts';
import type { Policy } from './policy.ts';
import type { ReadRecord } from './read-record.ts';
import { NO_BONDS, type Operation } from './running.ts';
import {
  type BalancerState,
  type Hold,
  type LostServers,
  NO_SERVER,
  type ServerState,
  type StartStep,
  type App,
  UNKNOWN_REMAINS,
  type State,
  type Told,
} from './state.ts';
import type { Addresses, Admin, Counters, Proof, Relative, Worker } from './view.ts';
import { MOST_WARNINGS, type Warning, withWarning } from './warnings.ts';

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
interface SavedWorker {
  readonly pid: number | null;
  readonly bornAt?: number | null;
}

type SavedTold = Omit<Told, 'worker'> & SavedWorker;
export type SavedServer = Pick<ServerState, 'found' | 'ours' | 'said'> & {
  /** What was wanted: the level of an outing follows from it in an older record. */
  readonly want: Admin | null;
  readonly held: boolean;
  /** Absent in an older record. */
  readonly heldIn?: Admin | null;
  readonly told?: SavedTold | null;
};
type SavedOperation = Omit<Operation, 'baseline' | 'warnings' | 'joined'> & {
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
function saidMaint(balancers: StateRecord['balancers']): boolean {
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

function workerOf(saved: SavedWorker | undefined, moved: (time: number) => number): Worker | null {
  if (typeof saved?.pid !== 'number') return null;
  const { pid, bornAt } = saved;
  return { pid, bornAt: typeof bornAt === 'number' ? moved(bornAt) : null, isRecorded: true };
}

function mapValues<T, U>(
  record: Readonly<Record<string, T>>,
  change: (value: T) => U,
): Readonly<Record<string, U>> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, change(value)]));
}

/**
 * The desired state counts as possibly set: it is saved before it is written to HAProxy, and a crash may come after
 * that.
 */
function saved({ found, ours, said, held, told: stood }: ServerState, want: Admin | null): SavedServer {
  const told = stood && { admin: stood.admin, at: stood.at, ...savedWorker(stood.worker) };
  const heldIn = held === 'unknown' ? null : held;
  const whose = { held: held !== null, heldIn, told };
  if (want === null || held !== null) return { found, want, ours, said, ...whose };
  return { found, want, ours: [...new Set([...ours, want])], said: [...new Set([...said, want])], ...whose };
}

/** What an older record does not have. */
const OLDER: Pick<Operation, 'hashed' | 'recheck' | 'ignoreServers' | 'joined' | 'returnMs'> = {
  // The default of the configuration.
  returnMs: 5 * 60_000,
  ...NO_BONDS,
  ignoreServers: [],
  joined: [],
};

/**
 * The state after a crash: the record, without anything observed. After a boot of the machine the monotonic clock
 * began anew, so the time left at the last save is what remains.
 */
export function restore(
  blank: State,
  policy: Policy,
  { record, doubt }: ReadRecord,
  sameBoot: boolean,
  at: number,
): State {
  const shift = sameBoot ? 0 : at - record.savedAt;
  const moved = (time: number): number => time + shift;
  const to = doubt === null ? record.phase : 'failed';
  const listed = restoredBalancers(blank, record, at, moved);
  return {
    ...blank,
    epoch: record.epoch,
    phase: 'recovering',
    app: restoredApp(blank.app, record, sameBoot),
    boot: { to, fresh: record.fresh ?? false, cancel: null },
    signedOut: record.signedOut ?? 'no',
    hold: record.hold && {
      ...record.hold,
      askers: (record.hold.askers ?? []).map((asker) => ({
        ...asker,
        startedAt: moved(asker.startedAt),
        deadline: moved(asker.deadline),
      })),
    },
    ...withLost(policy, listed, record, moved),
    outing: restoredOuting(record, to, moved),
    op: doubt === null ? restoredOperation(record.op, moved) : null,
  };
}

/** No process outlives its boot, and in the next one its number may be another's. */
function restoredApp(blank: App, record: StateRecord, sameBoot: boolean): App {
  const ended = !sameBoot && record.proof !== null;
  return {
    ...blank,
    proof: ended ? null : record.proof,
    gone: ended || record.appGone,
    remains: sameBoot && record.appUnproven === true ? UNKNOWN_REMAINS : null,
    stopIssued: record.stopIssued,
    // No answer will come any more.
    start: record.start === 'sent' ? 'intended' : record.start,
  };
}

function restoredBalancers(
  blank: State,
  { balancers }: StateRecord,
  at: number,
  moved: (time: number) => number,
): State['balancers'] {
  const known = Object.entries(blank.balancers).map(([name, balancer]) => {
    const old = balancers[name];
    const servers = Object.entries(balancer.servers).map(([server, own]) => [
      server,
      restoredServer(own, old?.servers[server], moved),
    ]);
    return [
      name,
      {
        ...balancer,
        worker: workerOf(old, moved),
        seenBefore: old?.seen ?? 0,
        addresses: old?.addresses ?? {},
        reloaded: old?.reloaded === true ? { asked: null } : null,
        around: old?.relatives ? { at, facts: [], relatives: old.relatives } : null,
        servers: Object.fromEntries(servers) as typeof balancer.servers,
      },
    ];
  });
  return Object.fromEntries(known) as State['balancers'];
}

/** Beside what the configuration lists: what it lost while it was ours, where that can be set, and where it cannot. */
function withLost(
  policy: Policy,
  listed: State['balancers'],
  { balancers }: StateRecord,
  moved: (time: number) => number,
): Pick<State, 'balancers' | 'lost'> {
  const all = { ...listed };
  const lost: Record<string, LostServers> = {};
  for (const [at, { servers }] of Object.entries(balancers)) {
    const known = all[at];
    const gone = Object.entries(servers)
      .filter(([name, { found, held }]) => known?.servers[name] === undefined && found !== null && !held)
      .map(([name, old]) => [name, { ...restoredServer(NO_SERVER, old, moved), isLost: true }] as const);
    if (gone.length === 0) continue;
    const canBeSet = policy.balancers.find(({ name }) => name === at)?.setsListedOnly !== true;
    if (known && canBeSet) all[at] = { ...known, servers: { ...known.servers, ...Object.fromEntries(gone) } };
    else lost[at] = Object.fromEntries(gone);
  }
  return { balancers: all, lost };
}

function restoredServer(
  blank: ServerState,
  old: SavedServer | undefined,
  moved: (time: number) => number,
): ServerState {
  if (!old) return blank;
  const { found, ours, said, held, heldIn = null, told = null } = old;
  return {
    ...blank,
    found,
    ours,
    said,
    held: held ? (heldIn ?? 'unknown') : null,
    told: told && { admin: told.admin, at: moved(told.at), worker: workerOf(told, moved) },
  };
}

/** The outing, where something at a balancer is ours or the node is out. */
function restoredOuting(record: StateRecord, to: Phase, moved: (time: number) => number): Outing | null {
  const servers = Object.values(record.balancers).flatMap((balancer) => Object.values(balancer.servers));
  const isOurs = servers.some(({ found }) => found !== null);
  const fencedBefore = record.fencedBefore ?? saidMaint(record.balancers);
  const { place } = PHASES[to];
  if (!isOurs && (place === 'rotation' || place === 'unknown')) return null;
  const wants = servers.map(({ want }) => want);
  const older = record.restoring ? 'found' : (LEVELS.find((level) => wants.includes(level)) ?? 'none');
  const { expiresAt, expiresMs = null, forcedOut, noFence, sticky, lasting = false } = record;
  return {
    ...NEW_OUTING,
    level: record.level ?? older,
    fenced: !noFence,
    lasting,
    forcedOut,
    fencedBefore,
    sticky,
    expiresMs,
    expiresAt: expiresAt === null ? null : moved(expiresAt),
    capacity: {
      ...NEW_CAPACITY,
      drainedIn: to !== 'drained' || record.op !== null ? null : record.noFence ? 'drain' : 'maint',
      ...record.capacity,
      read: 'again',
    },
  };
}

const LEVELS = ['ready', 'maint', 'drain'] as const;

/** In an older record a hold is an operation; it is none any more. */
function restoredOperation(op: SavedOperation | null, moved: (time: number) => number): Operation | null {
  if (op === null || op.kind === 'hold') return null;
  const { subjects: _subjects, ...saved } = op;
  return {
    ...OLDER,
    ...saved,
    warnings: restoredWarnings(op),
    baseline: mapValues(op.baseline, ({ counters, ...worker }) => ({
      worker: workerOf(worker, moved),
      counters,
    })),
    startedAt: moved(op.startedAt),
    deadline: moved(op.deadline),
    restoreBy: op.restoreBy === null ? null : moved(op.restoreBy),
  };
}

/** In an older record the text of a warning is also its subject. */
function restoredWarnings({ warnings, subjects = [] }: SavedOperation): readonly Warning[] {
  const texts = warnings.map((text, place) => ({ subject: subjects[place] ?? text, text }));
  const more = subjects.slice(warnings.length).map((subject) => ({ subject, text: '' }));
  return [...texts, ...more].reduce<readonly Warning[]>(withWarning, []);
}
