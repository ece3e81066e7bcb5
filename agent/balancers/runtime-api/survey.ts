import { listAllServers } from '../../haproxy/replies/show-all-servers.ts';
import { showInfo, showLevel, batch } from '../../haproxy/command.ts';
import { holdsEntryOf, type TableConnection } from '../../haproxy/replies/table-entries.ts';
import { parseInfo, requireSupported } from '../../haproxy/replies/show-info.ts';
import { readEach } from '../../haproxy/shared-lines.ts';
import type { SendCommand, FullReading } from '../../haproxy/server-reader.ts';
import { answersOf, contextOf, unexpected, withoutSeverity } from '../../haproxy/reply.ts';
import { endpointOf, serverKeys } from '../../haproxy/server-keys.ts';
import type { Addresses, ServerView, Worker } from '../../lifecycle/model/observation.ts';
import type { ServerSurvey, Survey, SurveyScope } from '../../lifecycle/model/survey.ts';
import { isLastcallError, LastcallError } from '../../system/error.ts';
import { ownAddresses } from '../../system/own-addresses.ts';
import { capacityOf, type OwnRow } from './capacity.ts';
import { HASHED, findStickTables, stickyReason, type SocketLevel, type StickTables } from './survey-facts.ts';
import { isUsable, kinshipOf, neighboursOf, type Kinship, type NeighbourServers } from './related-servers.ts';
import {
  addressesOf,
  readFull,
  readFullIfPresent,
  countOldWorkersOrThrow,
  sameWorker,
  type DriverContext,
  type Connections,
  type OldWorkerCounts,
} from './poll.ts';

/** What an operation needs before it begins: read once, at a higher cost than a poll may have. */

interface OwnServer {
  readonly view: ServerView;
  /** Null where HAProxy does not have the server any more: it binds no user. */
  readonly reading: FullReading | null;
}

/** Our own servers, read while no other call comes in between. */
export interface OwnReadings {
  readonly level: SocketLevel;
  readonly worker: Worker | null;
  readonly servers: readonly OwnServer[];
  readonly past: OldWorkerCounts;
}

/**
 * The first part: what this socket allows, and the servers of this node.
 * @param scope before an operation (`all`) HAProxy must have each of them; in one it may have lost some since
 * @throws LastcallError as `look`; `not-permitted` for a socket that may not write, unless `readOnly`; `no-such-server`
 */
export async function surveyOwn(
  context: DriverContext,
  connections: Connections,
  scope: SurveyScope,
  readOnly: boolean,
): Promise<OwnReadings> {
  const { ask } = connections.statsSocket;
  const level = await probe(ask, readOnly);
  const read = scope === 'all' ? readFull : readFullIfPresent;
  const servers: OwnServer[] = [];
  let worker: Worker | null = null;
  const readings = await readEach(ask, context.names, (each, [server, name]) =>
    read(context, each, server, name),
  );
  for (const { view, reading, worker: now } of readings) {
    worker = sameWorker(context, worker, now);
    servers.push({ view, reading });
  }
  return { level, worker, servers, past: await countOldWorkersOrThrow(context, connections, worker) };
}

/**
 * The second part, which no look has to wait for: the stick tables, and one list of all servers.
 * @param before where our servers led to this node last; before an operation (`all`) that is where they lead now
 * @throws LastcallError as `look`
 */
export async function surveyAround(
  context: DriverContext,
  connections: Connections,
  own: OwnReadings,
  { scope, before }: { readonly scope: SurveyScope; readonly before: Addresses },
): Promise<Survey> {
  const around = await lookAround(context, connections, own, scope === 'all' ? {} : before);
  const tables = once(() => sortedTables(context, connections, own));
  const facts: ServerSurvey[] = [];
  for (const { view, reading } of scope === 'relatives' ? [] : thereOf(own)) {
    const { row, backend } = reading;
    const bound = await stickyReason({ row, backend, level: own.level, tables });
    const neighbours = around.neighbours.get(view.name) ?? UNKNOWN;
    const weight = row.count('uweight');
    const usable = view.admin === 'ready' && isUsable({ status: row.text('status') ?? '', weight });
    facts.push({ name: view.name, usable, ...neighbours, ...bound });
  }
  const asked = await tables.done;
  const { add, ...known } = own.past;
  const rows = rowsOf(context, own);
  return {
    worker: own.worker,
    ...known,
    servers: own.servers.map(({ view }) => add(view)),
    addresses: addressesOf(rows),
    // It takes the place of the last poll, which had them: without them the guard would wait for the next one.
    capacity: capacityOf(rows),
    facts,
    relatives: around.kinship.relatives,
    foreignTables: asked?.foreign ?? [],
    blind: around.kinship.blind,
    uncompared: around.kinship.uncompared,
    onOurHost: around.kinship.onOurHost,
  };
}

/** The servers that HAProxy has. */
function thereOf({
  servers,
}: OwnReadings): readonly { readonly view: ServerView; readonly reading: FullReading }[] {
  return servers.flatMap(({ view, reading }) => (reading === null ? [] : [{ view, reading }]));
}

function rowsOf(context: DriverContext, own: OwnReadings): readonly (OwnRow & { readonly server: string })[] {
  const there = new Map(thereOf(own).map(({ view, reading }) => [view.name, reading]));
  return [...context.names].flatMap(([server, name]) => {
    const reading = there.get(server);
    return reading === undefined ? [] : [{ server, name, row: reading.row, backend: reading.backend }];
  });
}

const UNKNOWN: NeighbourServers = { role: null, usableOthers: null, standbys: [], missing: [] };

async function lookAround(
  context: DriverContext,
  { statsSocket: client }: Connections,
  { level, worker }: OwnReadings,
  before: Addresses,
): Promise<{ readonly kinship: Kinship; readonly neighbours: ReadonlyMap<string, NeighbourServers> }> {
  const { info, rows } = await listAllServers(client, (command, onLine) => client.stream(command, onLine));
  sameWorker(context, worker, context.workers.identify(info));
  const isHere = context.here !== null;
  const place = { isHere, own: isHere ? ownAddresses() : new Set<string>() };
  const kinship = kinshipOf(rows, context.names, level, before, place);
  const trackers = kinship.relatives.filter(({ by }) => by === 'track').map(({ name }) => name);
  const ours = new Set([...context.names.keys(), ...trackers]);
  const entries = [...context.names].map(
    ([server, name]) => [server, neighboursOf(rows, name, ours)] as const,
  );
  return { kinship, neighbours: new Map(entries) };
}

function sortedTables(
  context: DriverContext,
  { statsSocket: client }: Connections,
  own: OwnReadings,
): Promise<StickTables> {
  const servers = thereOf(own);
  const hashed = servers.some(({ reading }) => HASHED.has(reading.backend.text('algo') ?? ''));
  const keys = servers.flatMap(({ view, reading }) =>
    serverKeys(context.names.get(view.name)?.server ?? view.name, endpointOf(reading.row.text('addr'))),
  );
  const table: TableConnection = {
    target: client.target,
    streamReply: (command, onChunk) => client.streamReply(command, onChunk),
  };
  const holds = async (name: string): Promise<boolean | null> => {
    try {
      return await holdsEntryOf(table, name, keys);
    } catch (error) {
      // A table that is too large for our deadline, or has gone: unknown, which counts as sticky.
      if (isLastcallError(error)) return null;
      throw error;
    }
  };
  return findStickTables(client.ask, holds, { names: context.names.values(), hashed });
}

/** Runs `work` for the first caller that needs it; `done` is null where none did. */
function once<T>(work: () => Promise<T>): (() => Promise<T>) & { readonly done: Promise<T> | null } {
  let running: Promise<T> | null = null;
  const ask = (): Promise<T> => (running ??= work());
  return Object.defineProperty(ask, 'done', { get: () => running }) as typeof ask & {
    readonly done: Promise<T> | null;
  };
}

/**
 * What this socket allows, and whether this HAProxy is new enough.
 * @throws LastcallError `not-permitted`
 */
async function probe(ask: SendCommand, readOnly: boolean): Promise<SocketLevel> {
  const reply = await ask(batch(showLevel(), showInfo()));
  const [first = '', info = ''] = answersOf(reply);
  requireSupported(parseInfo(info, reply), reply);
  const level = withoutSeverity(first);
  if (level !== 'admin' && level !== 'operator' && level !== 'user') throw unexpected(reply, first);
  if (readOnly || level === 'admin') return level;
  throw new LastcallError(
    'not-permitted',
    `${reply.target}: this socket is of level ${level}, to drain a server needs level admin`,
    {
      ...contextOf(reply),
      next: 'give this `stats socket` `level admin`, or write `writer: agent-check` for this balancer',
    },
  );
}
