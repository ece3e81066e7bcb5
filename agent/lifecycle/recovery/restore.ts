import type { Phase } from '../model/api.ts';
import { NEW_CAPACITY, NEW_OUTING, type Outing } from '../model/outing.ts';
import { PHASES } from '../model/phase.ts';
import type { Policy } from '../model/policy.ts';
import type { ReadRecord } from './read-record.ts';
import { restoredSlot } from './restored-slot.ts';
import type { SavedOperation, SavedServer, SavedWorker, StateRecord } from '../model/record.ts';
import { mapValues, everWroteMaint } from '../model/write-record.ts';
import { NO_BINDINGS, type Operation, type RebootStep } from '../model/operation.ts';
import { type App, NOT_LOOKED_INTO, type State, NOT_YET_CHECKED_END } from '../model/state.ts';
import { allWeights } from '../model/ramp.ts';
import { NO_WRITE } from '../model/write.ts';
import { type LostServers, NO_SERVER, type ServerState } from '../model/server-state.ts';
import type { Worker } from '../model/observation.ts';
import { type Warning, withWarning } from '../model/warnings.ts';

/** The state after a crash, from the record that the disk kept. */

function workerOf(saved: SavedWorker | undefined, moved: (time: number) => number): Worker | null {
  if (typeof saved?.pid !== 'number') return null;
  const { pid, bornAt } = saved;
  return { pid, bornAt: typeof bornAt === 'number' ? moved(bornAt) : null, isRecorded: true };
}

/** What an older record does not have. */
const OLDER: Pick<
  Operation,
  'hashed' | 'recheck' | 'ignoreServers' | 'joined' | 'returnMs' | 'countedAtStop'
> = {
  // The default of the configuration.
  returnMs: 5 * 60_000,
  countedAtStop: null,
  ...NO_BINDINGS,
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
  const servers = withLost(policy, restoredBalancers(blank, record, at, moved), record, moved);
  return {
    ...blank,
    epoch: record.epoch,
    phase: 'recovering',
    app: restoredApp(blank.app, record, sameBoot, policy),
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
    ...servers,
    outing: restoredOuting(record, to, moved),
    slot: record.slot ? restoredSlot(record.slot, policy, moved) : null,
    waiting: (record.waiting ?? []).map(({ request, since, deadline }) => ({
      request,
      since: moved(since),
      deadline: moved(deadline),
    })),
    op: doubt === null ? restoredOperation(record.op, moved, sameBoot) : null,
  };
}

/** No process outlives its boot, and in the next one its number may be another's. */
function restoredApp(
  blank: App,
  record: StateRecord,
  sameBoot: boolean,
  { supervises }: Pick<Policy, 'supervises'>,
): App {
  const ended = !sameBoot && record.proof !== null;
  const gone = ended || record.appGone;
  return {
    ...blank,
    proof: ended ? null : record.proof,
    gone,
    // The end of a child is seen by its parent.
    recordedEnd: gone && !supervises ? NOT_LOOKED_INTO : null,
    unprovenEnd: sameBoot && record.appUnproven === true ? NOT_YET_CHECKED_END : null,
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
  for (const [balancerName, { servers }] of Object.entries(balancers)) {
    const known = all[balancerName];
    const gone = Object.entries(servers)
      .filter(([name, { found, held }]) => known?.servers[name] === undefined && found !== null && !held)
      .map(([name, old]) => [name, { ...restoredServer(NO_SERVER, old, moved), isLost: true }] as const);
    if (gone.length === 0) continue;
    const canBeSet = policy.balancers.find(({ name }) => name === balancerName)?.setsListedOnly !== true;
    if (known && canBeSet)
      all[balancerName] = { ...known, servers: { ...known.servers, ...Object.fromEntries(gone) } };
    else lost[balancerName] = Object.fromEntries(gone);
  }
  return { balancers: all, lost };
}

function restoredServer(
  blank: ServerState,
  old: SavedServer | undefined,
  moved: (time: number) => number,
): ServerState {
  if (!old) return blank;
  const { found, ours, said, held, heldIn = null, told = null, ramp = null } = old;
  return {
    ...blank,
    found,
    possiblyOurs: ours,
    everWritten: said,
    foreign: held ? (heldIn ?? 'unknown') : null,
    applied: told && { admin: told.admin, at: moved(told.at), worker: workerOf(told, moved) },
    ramp: ramp && {
      ...ramp,
      since: ramp.since === null ? null : moved(ramp.since),
      ours: allWeights(ramp),
      write: NO_WRITE,
    },
  };
}

/** The outing, where something at a balancer is ours or the node is out. */
function restoredOuting(record: StateRecord, to: Phase, moved: (time: number) => number): Outing | null {
  const servers = Object.values(record.balancers).flatMap((balancer) => Object.values(balancer.servers));
  const isOurs = servers.some(({ found }) => found !== null);
  const fencedBefore = record.fencedBefore ?? everWroteMaint(record.balancers);
  const { place } = PHASES[to];
  if (!isOurs && (place === 'rotation' || place === 'unknown')) return null;
  const targets = servers.map(({ want }) => want);
  const older = record.restoring ? 'found' : (LEVELS.find((level) => targets.includes(level)) ?? 'none');
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
function restoredOperation(
  op: SavedOperation | null,
  moved: (time: number) => number,
  sameBoot: boolean,
): Operation | null {
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
    reboot: rebootAfter(op, sameBoot),
  };
}

/** Another boot is the one that was asked for, or it came before that. */
function rebootAfter({ kind, outcome, reboot = 'none' }: SavedOperation, sameBoot: boolean): RebootStep {
  if (kind !== 'reboot') return 'none';
  if (sameBoot) return reboot;
  if (reboot === 'none') return outcome === null ? 'cut' : 'none';
  return reboot === 'cut' ? 'cut' : 'booted';
}

/** In an older record the text of a warning is also its subject. */
function restoredWarnings({ warnings, subjects = [] }: SavedOperation): readonly Warning[] {
  const texts = warnings.map((text, place) => ({ subject: subjects[place] ?? text, text }));
  const more = subjects.slice(warnings.length).map((subject) => ({ subject, text: '' }));
  return [...texts, ...more].reduce<readonly Warning[]>(withWarning, []);
}
