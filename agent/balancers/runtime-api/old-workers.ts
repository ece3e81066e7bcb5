import {
  showProc,
  showServer,
  showServersConn,
  showServersState,
  showStreams,
  batch,
  toWorker,
} from '../../haproxy/command.ts';
import { parseServerConnections } from '../../haproxy/replies/show-servers-conn.ts';
import type { ServerName } from '../../haproxy/names.ts';
import { parseOldWorkers, parseWorkers } from '../../haproxy/replies/show-proc.ts';
import type { SendCommand } from '../../haproxy/server-reader.ts';
import { answersOf, contextOf, unexpected, type Reply } from '../../haproxy/reply.ts';
import { parseServersState } from '../../haproxy/replies/show-servers-state.ts';
import { parseStats } from '../../haproxy/replies/show-stat.ts';
import type { OldProcesses } from '../../haproxy/workers.ts';
import type { Worker } from '../../lifecycle/model/observation.ts';
import { reloadError } from '../../haproxy/spoilt-by-reload.ts';
import { isLastcallError } from '../../system/error.ts';
import { eachStream } from './streams.ts';
import type { DeadlineClient } from './deadline-client.ts';

/** What one worker holds of one server. */
export interface WorkerCounts {
  readonly connections: number;
  readonly queued: number;
  /** Kept for the next request; null = unknown. */
  readonly idle: number | null;
}

/** The workers besides the one that answers on the `stats socket`, by way of the master. */
export interface OldWorkers {
  /**
   * Their pids. They appear by a reload only, so the master is asked at first, after a change of worker, and as long as
   * there are any; and not at all where /proc shows them.
   * @param worker the one that just answered `show info`
   * @throws LastcallError as the exchange; `balancer-unreachable` when it is not the master of that worker
   */
  pids(ask: SendCommand, worker: Worker): Promise<readonly number[]>;
  /**
   * Connections of these servers on the workers of the last `pids`, summed.
   * @throws LastcallError when one cannot be asked: unknown is never zero (I7)
   */
  count(
    client: DeadlineClient,
    servers: ReadonlyMap<string, ServerName>,
  ): Promise<ReadonlyMap<string, WorkerCounts>>;
  /**
   * The result of `work`, or null when the worker has ended meanwhile: its connections ended with it.
   * @throws whatever `work` throws while the worker lives, or while that is unknown
   */
  unlessWorkerEnded<T>(ask: SendCommand, pid: number, work: () => Promise<T>): Promise<T | null>;
}

/** A server's numbers in one worker, which stay as long as it lives; null = that worker does not have the server. */
interface WorkerServerIds {
  readonly backendId: number;
  readonly serverId: number;
}
type ServerIdsByName = Map<string, WorkerServerIds | null>;

/** @param here the processes of this HAProxy on this machine, or null where it may run on another one */
export function createOldWorkers(here: OldProcesses | null): OldWorkers {
  let current: Worker | null = null;
  let others = new Map<number, ServerIdsByName>();
  const listed = async (ask: SendCommand, pid: number): Promise<readonly number[]> => {
    const reply = await ask(showProc());
    return parseOldWorkers(answersOf(reply)[0] ?? '', reply, pid) ?? unknownWorker(pid, reply);
  };
  const unlessWorkerEnded = async <T>(
    ask: SendCommand,
    pid: number,
    work: () => Promise<T>,
  ): Promise<T | null> => {
    try {
      return await work();
    } catch (error) {
      if (!isLastcallError(error)) throw error;
      const lives = here?.lives(pid) ?? (await isListed(ask, pid));
      if (lives) throw error;
      return null;
    }
  };
  return {
    unlessWorkerEnded,
    async pids(ask, worker) {
      if (current === worker && others.size === 0) return [];
      const pids = here?.of(worker) ?? (await listed(ask, worker.pid));
      others = new Map(pids.map((pid) => [pid, others.get(pid) ?? new Map()]));
      current = worker;
      return pids;
    },
    async count(client, servers) {
      const sums = new Map<string, WorkerCounts>();
      for (const [pid, places] of others) {
        const held = await unlessWorkerEnded(client.ask, pid, () => countAt(client, pid, places, servers));
        for (const [server, { connections, queued, idle }] of held ?? []) {
          const sum = sums.get(server) ?? NO_CONNECTIONS;
          sums.set(server, {
            connections: sum.connections + connections,
            queued: sum.queued + queued,
            idle: sum.idle === null || idle === null ? null : sum.idle + idle,
          });
        }
      }
      return sums;
    },
  };
}

export const NO_CONNECTIONS: WorkerCounts = { connections: 0, queued: 0, idle: 0 };

async function isListed(ask: SendCommand, pid: number): Promise<boolean> {
  const reply = await ask(showProc());
  return parseWorkers(answersOf(reply)[0] ?? '', reply).includes(pid);
}

async function countAt(
  client: DeadlineClient,
  pid: number,
  places: ServerIdsByName,
  servers: ReadonlyMap<string, ServerName>,
): Promise<ReadonlyMap<string, WorkerCounts>> {
  const ask: SendCommand = (command) => client.ask(toWorker(pid, command));
  for (const [server, name] of servers) {
    if (!places.has(server)) places.set(server, await serverIdsOf(ask, name));
  }
  const there = [...servers].flatMap(([server, name]) => {
    const place = places.get(server);
    return place ? [{ server, name, place }] : [];
  });
  const [first, ...more] = there.map(({ place }) => showServer(place));
  if (first === undefined) return new Map();
  const reply = await ask(batch(first, ...more));
  const answers = answersOf(reply);
  const held = new Map<string, WorkerCounts>();
  for (const [index, { server, name }] of there.entries()) {
    const row = countsIn(answers[index] ?? '', name, reply);
    held.set(server, row ?? (await countsByStreams(client, pid, name)));
  }
  return held;
}

/** The server's ids in that worker; null when its configuration had no such server. */
async function serverIdsOf(ask: SendCommand, name: ServerName): Promise<WorkerServerIds | null> {
  try {
    const reply = await ask(showServersState(name.backend));
    const states = parseServersState(answersOf(reply)[0] ?? '', reply);
    return states.find(({ server }) => server === name.server) ?? null;
  } catch (error) {
    if (isLastcallError(error) && error.code === 'no-such-server') return null;
    throw error;
  }
}

/** One row; null where a stopping worker shows none (2.4). */
function countsIn(answer: string, { backend, server }: ServerName, reply: Reply): WorkerCounts | null {
  const [row, ...more] = parseStats(answer, reply);
  if (row === undefined) return null;
  const connections = row.count('scur');
  const queued = row.count('qcur');
  const isRequestedRow = row.text('pxname') === backend && row.text('svname') === server && more.length === 0;
  if (!isRequestedRow || connections === null || queued === null) throw unexpected(reply, answer);
  return { connections, queued, idle: row.count('idle_conn_cur') };
}

/**
 * Where `show stat` is empty: connections in use; 0 of them is confirmed by the streams, since TCP and connections
 * private to a client are not among those in use (BEHAVIOUR.md#counting).
 */
async function countsByStreams(client: DeadlineClient, pid: number, name: ServerName): Promise<WorkerCounts> {
  const reply = await client.ask(toWorker(pid, showServersConn(name.backend)));
  const shown = parseServerConnections(answersOf(reply)[0] ?? '', name, reply);
  if (shown === null) return NO_CONNECTIONS;
  if (shown.used > 0) return { connections: shown.used, queued: 0, idle: shown.idle };
  const held = { connections: 0, queued: 0, idle: shown.idle };
  await eachStream(client, toWorker(pid, showStreams(name)), name, ({ stage }) => {
    if (stage === 'queued') held.queued += 1;
    else if (stage !== 'over') held.connections += 1;
  });
  return held;
}

function unknownWorker(pid: number, reply: Reply): never {
  throw reloadError(
    `${reply.target}: this master has no worker ${pid} that answers on the \`stats socket\``,
    {
      ...contextOf(reply),
      next: 'see that `master` names the master CLI (`-S`) of this very HAProxy; after a reload, ask again',
    },
  );
}
