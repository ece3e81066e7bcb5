import { createAbsences } from '../../haproxy/absence.ts';
import { isThisMachine, parseAddress } from '../../haproxy/address.ts';
import { createClient } from '../../haproxy/client.ts';
import { setState } from '../../haproxy/command.ts';
import { hasFragileMaster, type Info } from '../../haproxy/replies/show-info.ts';
import { parseServerName, type ServerName } from '../../haproxy/names.ts';
import { againAfterReload } from '../../haproxy/spoilt-by-reload.ts';
import { createServerReader } from '../../haproxy/server-reader.ts';
import { expectDone } from '../../haproxy/reply.ts';
import type { Admin, ReadBackView } from '../../lifecycle/model/observation.ts';
import type { TlsFiles } from '../../haproxy/tls.ts';
import { createOldProcesses, createWorkers, type Workers } from '../../haproxy/workers.ts';
import type { Clock } from '../../system/clock.ts';
import { LastcallError } from '../../system/error.ts';
import { processTable } from '../../system/process-table.ts';
import type { Balancer } from '../balancer.ts';
import { readBackendServers } from './backend-servers.ts';
import { closeConnections } from './close-connections.ts';
import { forcedOf } from '../../haproxy/server-view.ts';
import { readConnections } from './connections.ts';
import { createMasterClient } from './master.ts';
import { createOldWorkers } from './old-workers.ts';
import {
  readFull,
  readFullIfPresent,
  pollServers,
  countOldWorkers,
  type DriverContext,
  type ServerReading,
  type Connections,
} from './poll.ts';
import { readServersOf } from './other-nodes.ts';
import { surveySiblings } from './sibling-survey.ts';
import { surveyAround, surveyOwn } from './survey.ts';
import { createDeadlineClient } from './deadline-client.ts';
import { readWeights, writeWeight } from './weight.ts';
import { createMutex } from '../../system/mutex.ts';

export interface RuntimeOptions {
  /** `unix:/path`, `/path` or `tcp://host:port`; also the balancer's name. */
  readonly address: string;
  /** `backend/server`, at least one. */
  readonly servers: readonly string[];
  /** For each look and each write as a whole, waiting for its turn included, in milliseconds. */
  readonly timeoutMs: number;
  /** The master CLI (`-S`) of the same HAProxy, written the same way: with it, workers of before a reload are counted. */
  readonly master?: string | null;
  /** For an address of `tls://`. */
  readonly tls?: TlsFiles | null;
  /**
   * lastcall only reads here, or writes by agent-check: `survey` does not ask for level admin, and `set`, `putBack` and
   * `setWeight` are refused.
   */
  readonly readOnly?: boolean;
}

export interface RuntimePorts {
  readonly clock: Clock;
  /** Called once for what makes this HAProxy a risk. */
  readonly onWarning?: (text: string) => void;
}

/**
 * A HAProxy that is polled and set by its Runtime API. Calls of one balancer run one after another, so no poll
 * falls between a write and its read-back.
 * @throws LastcallError `config` for an invalid address or name
 */
export function createRuntimeBalancer(options: RuntimeOptions, ports: RuntimePorts): Balancer {
  const access = createAccess(options, ports);
  const { context, listContext, exclusive, connectionsOfLists } = access;
  const expectWritable = (): void => {
    if (options.readOnly) throw new LastcallError('not-permitted', `${options.address} is only read here`);
  };
  const write = (server: string, request: WriteRequest, signal: AbortSignal): Promise<ReadBackView> => {
    expectWritable();
    return exclusive(signal, (connections) => set(context, connections, server, request, signal));
  };
  return {
    name: options.address,
    servers: options.servers,
    counts: true,
    seesOldWorkers: access.seesOldWorkers,
    look: (signal, oldWorkers = 'count', scope = 'own') =>
      exclusive(signal, (connections) => pollServers(context, connections, { oldWorkers, scope }, signal)),
    survey: (signal, scope = 'all', before = {}) =>
      againAfterReload(ports.clock, signal, async () => {
        if (scope === 'capacity') {
          const own = await exclusive(signal, (connections) =>
            pollServers(context, connections, { oldWorkers: 'count', scope: 'capacity' }, signal),
          );
          return surveySiblings(context, connectionsOfLists(signal), own);
        }
        const own = await exclusive(signal, (connections) =>
          surveyOwn(context, connections, scope, options.readOnly ?? false),
        );
        return surveyAround(context, connectionsOfLists(signal), own, { scope, before });
      }),
    set: async (server, admin, mayReplace, signal) =>
      write(server, { name: nameOf(context, server), admin, mayReplace }, signal),
    putBack: async (server, admin, mayReplace, signal) =>
      write(server, { name: parseServerName(server, 'config'), admin, mayReplace }, signal),
    setWeight: async (server, request, signal) => {
      expectWritable();
      const name = parseServerName(server, 'config');
      return exclusive(signal, ({ statsSocket }) => writeWeight(context, statsSocket, name, request));
    },
    weightOf: (server, signal) =>
      exclusive(signal, async ({ statsSocket }) =>
        readWeights(context, statsSocket, nameOf(context, server)),
      ),
    holders: async (server, signal) =>
      readConnections(listContext, connectionsOfLists(signal), nameOf(context, server)),
    backendServers: async (signal) =>
      readBackendServers(listContext, connectionsOfLists(signal).statsSocket.ask),
    readServers: (servers, signal) =>
      readServersOf(listContext, access.connectionsBeside(signal).statsSocket.ask, servers),
    closeSessions: async (server, limit, signal) =>
      closeConnections(listContext, connectionsOfLists(signal), nameOf(context, server), limit),
  };
}

/** The ways to one HAProxy, and what is remembered of it on each of them. */
interface Access {
  readonly seesOldWorkers: boolean;
  readonly context: DriverContext;
  /** A list of all streams may take long, and no look waits for it. */
  readonly listContext: DriverContext;
  /** Runs one call after another; the time of each runs from when it is asked for, or from the last answer to one before it. */
  readonly exclusive: <T>(signal: AbortSignal, work: (connections: Connections) => Promise<T>) => Promise<T>;
  readonly connectionsOfLists: (signal: AbortSignal) => Connections;
  /** For questions about other nodes: they wait for no poll, and no poll waits for them. */
  readonly connectionsBeside: (signal: AbortSignal) => Connections;
}

function createAccess(options: RuntimeOptions, ports: RuntimePorts): Access {
  const { address, servers, timeoutMs } = options;
  const { clock } = ports;
  const tls = options.tls ?? null;
  const parsed = parseAddress(address, 'config');
  const client = createClient(address, parsed, { clock, tls });
  const master = options.master ? createMasterClient(options.master, clock) : null;
  const reader = createServerReader();
  const workers = warned(createWorkers(clock), (info) => {
    if (master !== null && hasFragileMaster(info)) ports.onWarning?.(fragile(address, info));
  });
  const workerMemory = (): Pick<DriverContext, 'workers' | 'here' | 'old'> => {
    const here = isThisMachine(parsed) ? createOldProcesses(processTable, clock) : null;
    return { workers, here, old: master && createOldWorkers(here) };
  };
  const context: DriverContext = {
    client,
    reader,
    absences: createAbsences(reader),
    names: new Map(servers.map((server) => [server, parseServerName(server, 'config')])),
    known: new Map(),
    ...workerMemory(),
  };
  const mutex = createMutex();
  // Hundreds of calls may wait for their turn, and none runs out of time as long as HAProxy answers those before it.
  let answeredAt = -Infinity;
  const connectionsUntil = (until: number, masterMs: number, signal: AbortSignal): Connections => {
    const limits = { clock, until, signal };
    return {
      statsSocket: createDeadlineClient(client, limits),
      master: master && createDeadlineClient(master, { ...limits, eachMs: masterMs }),
    };
  };
  const connectionsFor = (ms: number, masterMs: number, signal: AbortSignal): Connections =>
    connectionsUntil(clock.now() + ms, masterMs, signal);
  return {
    seesOldWorkers: master !== null,
    context,
    listContext: { ...context, ...workerMemory() },
    exclusive: (signal, work) => {
      const askedAt = clock.now();
      return mutex.runExclusive(signal, async () => {
        const until = Math.max(askedAt, answeredAt) + timeoutMs;
        const found = await work(connectionsUntil(until, MASTER_MS, signal));
        answeredAt = clock.now();
        return found;
      });
    },
    connectionsBeside: (signal) => connectionsFor(timeoutMs, MASTER_MS, signal),
    connectionsOfLists: (signal) => connectionsFor(LIST_MS, MASTER_LIST_MS, signal),
  };
}

/** Calls `onFirst` once, with the first answer to `show info`. */
function warned(workers: Workers, onFirst: (info: Info) => void): Workers {
  let met = false;
  return {
    identify(info) {
      if (!met) onFirst(info);
      met = true;
      return workers.identify(info);
    },
  };
}

function fragile(address: string, { version }: Info): string {
  return `${address}: in HAProxy ${version} a connection to the master CLI ends HAProxy once a reload has failed by a broken file (3.4.0 to 3.5-dev5); lastcall asks \`master\` only while an operation counts old workers: try each file with \`haproxy -c\` before a reload, or leave \`master\` out`;
}

/** A master that does not answer must not delay the current worker's answer for long. */
const MASTER_MS = 500;
/** For a list of a few hundred thousand streams, 300 bytes each. */
const LIST_MS = 10_000;
/** Old workers have fewer, and a silent master must leave time to end the others. */
const MASTER_LIST_MS = 2_000;

interface WriteRequest {
  readonly name: ServerName;
  readonly admin: Admin;
  readonly mayReplace: readonly Admin[];
}

async function set(
  context: DriverContext,
  connections: Connections,
  server: string,
  { name, admin, mayReplace }: WriteRequest,
  signal: AbortSignal,
): Promise<ReadBackView> {
  const { statsSocket } = connections;
  const whole = async ({ view, worker }: ServerReading): Promise<ReadBackView> => ({
    ...(await countOldWorkers(context, connections, worker, { oldWorkers: 'count', signal })).add(view),
    worker,
  });
  // On one connection, so by one worker: a worker that a reload brings in between would be set by another's state,
  // and MAINT cuts the users it has let in.
  const untouched = await statsSocket.session(async (ask) => {
    // One that the configuration lost HAProxy may have lost too.
    const read = context.names.has(server) ? readFull : readFullIfPresent;
    const found = await read(context, ask, server, name);
    if (found.view.absent !== undefined) return found;
    const forced = forcedOf(found.view);
    if (forced === admin || !mayReplace.includes(forced)) return found;
    expectDone(await ask(setState(name, admin)));
    return null;
  });
  return whole(untouched ?? (await readFull(context, statsSocket.ask, server, name)));
}

function nameOf(context: DriverContext, server: string): ServerName {
  const name = context.names.get(server);
  if (name !== undefined) return name;
  throw new LastcallError(
    'no-such-server',
    `${context.client.target}: ${server} is not one of this node's servers`,
    {
      target: server,
      next: `name one of ${[...context.names.keys()].join(', ')}`,
    },
  );
}
