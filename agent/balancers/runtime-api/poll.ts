import type { Absences } from '../../haproxy/absence.ts';
import type { Client } from '../../haproxy/client.ts';
import type { ServerName } from '../../haproxy/names.ts';
import { reloadError } from '../../haproxy/spoilt-by-reload.ts';
import type { SendCommand, FullReading, ServerReader } from '../../haproxy/server-reader.ts';
import { readEach } from '../../haproxy/shared-lines.ts';
import type { OldProcesses, Workers } from '../../haproxy/workers.ts';
import type { StatRow } from '../../haproxy/replies/show-stat.ts';
import type { Addresses, Look, LookScope, ServerView, Worker } from '../../lifecycle/model/observation.ts';
import { isLastcallError } from '../../system/error.ts';
import type { OldWorkersMode } from '../balancer.ts';
import { capacityOf, type OwnRow } from './capacity.ts';
import { absentView, adminInRow, fullViewOf, viewOf, type AdminState } from '../../haproxy/server-view.ts';
import { NO_CONNECTIONS, type WorkerCounts, type OldWorkers } from './old-workers.ts';
import type { DeadlineClient } from './deadline-client.ts';

/** What a Runtime API's driver keeps from call to call. */
export interface DriverContext {
  readonly client: Client;
  readonly reader: ServerReader;
  readonly absences: Absences;
  /** The workers that answered: the same object for the same worker, so that workers are compared by it. */
  readonly workers: Workers;
  /** Null where HAProxy may run on another machine. */
  readonly here: OldProcesses | null;
  readonly names: ReadonlyMap<string, ServerName>;
  /** Each server's state when its bits were last read, from which worker, and its row at that time. */
  readonly known: Map<string, KnownState>;
  /** Null without a master CLI. */
  readonly old: OldWorkers | null;
}

interface KnownState extends AdminState {
  readonly worker: Worker;
  readonly shown: ReturnType<typeof adminInRow>;
}

/** The sockets of one HAProxy, for one call. */
export interface Connections {
  readonly statsSocket: DeadlineClient;
  /** The master CLI. */
  readonly master: DeadlineClient | null;
}

export interface ServerReading {
  readonly view: ServerView;
  readonly worker: Worker;
  /** Of a server that HAProxy has. */
  readonly rows?: { readonly row: StatRow; readonly backend: StatRow | null };
}

/** What a poll must return besides the servers. */
export interface PollTerms {
  readonly oldWorkers: OldWorkersMode;
  readonly scope: LookScope;
}

export async function pollServers(
  context: DriverContext,
  connections: Connections,
  { oldWorkers, scope }: PollTerms,
  signal: AbortSignal,
): Promise<Look> {
  const servers: ServerView[] = [];
  const rows: (OwnRow & { readonly server: string })[] = [];
  let worker: Worker | null = null;
  const readings = await readEach(
    connections.statsSocket.ask,
    context.names,
    async (ask, [server, name]) => ({
      server,
      name,
      reading: await readRow(context, ask, server, name, scope),
    }),
  );
  for (const { server, name, reading } of readings) {
    worker = sameWorker(context, worker, reading.worker);
    servers.push(reading.view);
    if (reading.rows) rows.push({ name, server, ...reading.rows });
  }
  const { add, ...known } = await countOldWorkers(context, connections, worker, { oldWorkers, signal });
  const capacity = scope === 'capacity' ? { capacity: capacityOf(rows) } : {};
  return { worker, ...known, servers: servers.map(add), addresses: addressesOf(rows), ...capacity };
}

/** One row; the bits as well only where the text is ambiguous, or where the origin of the state is not known yet. */
export async function readRow(
  context: DriverContext,
  ask: SendCommand,
  server: string,
  name: ServerName,
  scope: LookScope,
): Promise<ServerReading> {
  const reading = await context.absences.read(ask, name, scope);
  const worker = context.workers.identify(reading.info);
  if ('absent' in reading) {
    context.known.delete(server);
    return { view: absentView(server, reading.absent), worker };
  }
  const shown = adminInRow(reading.row);
  const seen = context.known.get(server);
  if (shown === 'ready') {
    context.known.delete(server);
    return { view: viewOf(server, reading, { admin: shown, origin: 'none' }), worker, rows: reading };
  }
  if (shown === null || seen?.shown !== shown || seen.worker !== worker) {
    const full = await readFull(context, ask, server, name);
    return { ...full, rows: full.reading };
  }
  return { view: viewOf(server, reading, seen), worker, rows: reading };
}

/** A server whose name does not resolve just now shows no address: the last known one stays. */
export function addressesOf(rows: readonly { readonly server: string; readonly row: StatRow }[]): Addresses {
  const shown = rows.map(({ server, row }) => [server, row.text('addr') ?? ''] as const);
  return Object.fromEntries(shown.filter(([, address]) => address !== ''));
}

/** One server with its admin bits, on one connection. */
export async function readFull(
  context: DriverContext,
  ask: SendCommand,
  server: string,
  name: ServerName,
): Promise<ServerReading & { readonly reading: FullReading }> {
  const reading = await context.reader.readFull(ask, name);
  const view = fullViewOf(server, reading);
  const worker = context.workers.identify(reading.info);
  context.absences.present(name, reading.info);
  const shown = adminInRow(reading.row);
  const { admin, origin, over } = view;
  const { initialWeight } = reading.state;
  context.known.set(server, { admin, origin, ...(over && { over }), initialWeight, shown, worker });
  return { view, worker, reading };
}

/**
 * The same for a server that a reload or a command may have removed: `reading` is null then, and the view has the
 * reason.
 * @throws LastcallError as `look`
 */
export async function readFullIfPresent(
  context: DriverContext,
  ask: SendCommand,
  server: string,
  name: ServerName,
): Promise<ServerReading & { readonly reading: FullReading | null }> {
  const found = await context.absences.read(ask, name);
  if (!('absent' in found)) return readFull(context, ask, server, name);
  return {
    view: absentView(server, found.absent),
    worker: context.workers.identify(found.info),
    reading: null,
  };
}

/** What is known of the workers of before a reload. */
export interface OldWorkerCounts extends Pick<Look, 'workers' | 'unseen' | 'uncounted' | 'twins'> {
  /** A server of the current worker, with what the others hold of it. */
  readonly add: (view: ServerView) => ServerView;
}

/** Unknown is never zero: where an old worker cannot be asked, all connections are unknown (I7). */
export async function countOldWorkers(
  context: DriverContext,
  connections: Connections,
  worker: Worker | null,
  { oldWorkers, signal }: { readonly oldWorkers: OldWorkersMode; readonly signal: AbortSignal },
): Promise<OldWorkerCounts> {
  try {
    return await countOldWorkersOrThrow(context, connections, worker, oldWorkers);
  } catch (error) {
    if (signal.aborted || !isLastcallError(error)) throw error;
    return {
      workers: null,
      unseen: `old workers cannot be counted: ${error.message}`,
      uncounted: [],
      add: (view) => ({ ...view, connections: null, atLeast: view.connections }),
    };
  }
}

/** The same, for a caller that needs the count before it begins. */
export async function countOldWorkersOrThrow(
  context: DriverContext,
  { master }: Connections,
  worker: Worker | null,
  oldWorkers: OldWorkersMode = 'count',
): Promise<OldWorkerCounts> {
  const here = worker === null ? null : (context.here?.of(worker) ?? null);
  const alone = here?.length === 0;
  const twins = worker === null ? [] : (context.here?.twinsOf(worker) ?? []);
  const found = twins.length === 0 ? {} : { twins };
  if (worker === null || context.old === null || master === null || oldWorkers === 'leave' || alone) {
    const workers = here && 1 + here.length;
    return { workers, unseen: null, uncounted: here, ...found, add: (view) => view };
  }
  const pids = await context.old.pids(master.ask, worker);
  const held = await context.old.count(master, context.names);
  return {
    workers: 1 + pids.length,
    unseen: null,
    uncounted: [],
    ...found,
    add: (view) => addCounts(view, held.get(view.name) ?? NO_CONNECTIONS),
  };
}

function addCounts(view: ServerView, { connections, queued }: WorkerCounts): ServerView {
  const sum = (one: number | null, other: number): number | null => (one === null ? null : one + other);
  return { ...view, connections: sum(view.connections, connections), queued: sum(view.queued, queued) };
}

/** The servers of one look must come from one worker: halves of two workers are no state of anything. */
export function sameWorker(context: DriverContext, before: Worker | null, now: Worker): Worker {
  if (before === null || before === now) return now;
  const { target } = context.client;
  const pids = `pid ${before.pid}, then ${now.pid}`;
  throw reloadError(`${target}: HAProxy was reloaded while it was asked (${pids})`, { target });
}
