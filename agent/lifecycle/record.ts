import type { Phase } from './operation.ts';
import { NO_BONDS, type Operation } from './running.ts';
import type { Hold, ServerState, StartStep, State, Told } from './state.ts';
import type { Counters, Proof, Relative, Worker } from './view.ts';

/**
 * What survives a crash: the intent and all that is needed to carry it on or to undo it. Written before it is
 * acknowledged or acted upon. Times are monotonic milliseconds of the boot that wrote them.
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
        readonly servers: Readonly<Record<string, SavedServer>>;
      }
    >
  >;
  readonly proof: Proof | null;
  readonly appGone: boolean;
  readonly stopIssued: boolean;
  readonly start: StartStep;
  readonly forcedOut: boolean;
  readonly noFence: boolean;
  readonly restoring: boolean;
  readonly expiresAt: number | null;
  readonly sticky: string | null;
  readonly hold: Hold | null;
}

/** A worker, or none; `bornAt` is not in the records of versions that knew a worker by its pid alone. */
interface SavedWorker {
  readonly pid: number | null;
  readonly bornAt?: number | null;
}

type SavedTold = Omit<Told, 'worker'> & SavedWorker;
type SavedServer = Pick<ServerState, 'found' | 'want' | 'ours' | 'said' | 'held' | 'heldIn'> & {
  readonly told: SavedTold | null;
};
type SavedOperation = Omit<Operation, 'baseline'> & {
  readonly baseline: Readonly<Record<string, SavedWorker & { readonly counters: Counters | null }>>;
};

/** The record of a state, as of `at`. */
export function recordOf(state: State, at: number): StateRecord {
  const balancers = Object.entries(state.balancers).map(([name, { worker, around, servers }]) => [
    name,
    {
      ...savedWorker(worker),
      ...(around === null ? {} : { relatives: around.relatives }),
      servers: Object.fromEntries(Object.entries(servers).map(([server, own]) => [server, saved(own)])),
    },
  ]);
  const {
    phase,
    resumeTo,
    epoch,
    op,
    proof,
    appGone,
    stopIssued,
    start,
    forcedOut,
    noFence,
    restoring,
    expiresAt,
    sticky,
    hold,
  } = state;
  return {
    savedAt: at,
    // A crash while a crash is being made good: where it was interrupted first is what goes on.
    phase: resumeTo ?? phase,
    epoch,
    op: op && {
      ...op,
      baseline: mapValues(op.baseline, ({ worker, counters }) => ({ ...savedWorker(worker), counters })),
    },
    balancers: Object.fromEntries(balancers) as StateRecord['balancers'],
    proof,
    appGone,
    stopIssued,
    start,
    forcedOut,
    noFence,
    restoring,
    expiresAt,
    sticky,
    hold,
  };
}

function savedWorker(worker: Worker | null): Required<SavedWorker> {
  return { pid: worker?.pid ?? null, bornAt: worker?.bornAt ?? null };
}

function workerOf(saved: SavedWorker | undefined, moved: (time: number) => number): Worker | null {
  if (typeof saved?.pid !== 'number') return null;
  const { pid, bornAt } = saved;
  return { pid, bornAt: typeof bornAt === 'number' ? moved(bornAt) : null };
}

function mapValues<T, U>(
  record: Readonly<Record<string, T>>,
  change: (value: T) => U,
): Readonly<Record<string, U>> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, change(value)]));
}

/** The wanted state counts as possibly there: it is written before it is said, and the crash may come after. */
function saved({ found, want, ours, said, held, heldIn, told: stood }: ServerState): SavedServer {
  const told = stood && { admin: stood.admin, at: stood.at, ...savedWorker(stood.worker) };
  if (want === null || held) return { found, want, ours, said, held, heldIn, told };
  return {
    found,
    want,
    ours: [...new Set([...ours, want])],
    said: [...new Set([...said, want])],
    held,
    heldIn,
    told,
  };
}

/** What an older record does not have. */
const OLDER: Pick<Operation, 'hashed' | 'recheck' | 'ignoreServers'> = { ...NO_BONDS, ignoreServers: [] };

/**
 * The state after a crash: what the record knows, and nothing of what was seen. In another boot of the machine the
 * monotonic clock began anew, so the time left at the last save is what remains.
 */
export function restore(blank: State, record: StateRecord, sameBoot: boolean, at: number): State {
  const shift = sameBoot ? 0 : at - record.savedAt;
  const moved = (time: number): number => time + shift;
  const { savedAt: _savedAt, balancers, op, expiresAt, ...same } = record;
  const known = Object.entries(blank.balancers).map(([name, balancer]) => {
    const old = balancers[name];
    const servers = Object.entries(balancer.servers).map(([server, own]) => {
      const { told = null, heldIn = null, ...kept } = old?.servers[server] ?? {};
      return [
        server,
        {
          ...own,
          ...kept,
          heldIn,
          told: told && { admin: told.admin, at: moved(told.at), worker: workerOf(told, moved) },
        },
      ];
    });
    return [
      name,
      {
        ...balancer,
        worker: workerOf(old, moved),
        around: old?.relatives ? { at, facts: [], relatives: old.relatives } : null,
        servers: Object.fromEntries(servers) as typeof balancer.servers,
      },
    ];
  });
  // No process outlives its boot, and in the next one its number may be anybody's.
  const ended = !sameBoot && record.proof !== null;
  return {
    ...blank,
    ...same,
    proof: ended ? null : record.proof,
    appGone: ended || record.appGone,
    phase: 'recovering',
    resumeTo: record.phase,
    // Nobody will hear any more what became of it.
    start: record.start === 'sent' ? 'intended' : record.start,
    balancers: Object.fromEntries(known) as State['balancers'],
    expiresAt: expiresAt === null ? null : moved(expiresAt),
    op: op && {
      ...OLDER,
      ...op,
      baseline: mapValues(op.baseline, ({ counters, ...worker }) => ({
        worker: workerOf(worker, moved),
        counters,
      })),
      startedAt: moved(op.startedAt),
      deadline: moved(op.deadline),
      restoreBy: op.restoreBy === null ? null : moved(op.restoreBy),
    },
  };
}
