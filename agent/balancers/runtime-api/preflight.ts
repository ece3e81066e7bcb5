import { listAllServers } from '../../haproxy/replies/show-all-servers.ts';
import { showInfo, showLevel, together } from '../../haproxy/command.ts';
import { holdsEntryOf, type TableTalk } from '../../haproxy/replies/table-entries.ts';
import { parseInfo, requireSupported } from '../../haproxy/replies/show-info.ts';
import type { Ask, FullReading } from '../../haproxy/server-reader.ts';
import { answersOf, contextOf, unexpected, withoutSeverity } from '../../haproxy/reply.ts';
import { endpointOf, serverKeys } from '../../haproxy/server-keys.ts';
import type {
  Addresses,
  ServerSurvey,
  ServerView,
  Survey,
  SurveyScope,
  Worker,
} from '../../lifecycle/view.ts';
import { isLastcallError, LastcallError } from '../../system/error.ts';
import { HASHED, sortTables, stickinessOf, type Level, type Tables } from './preflight-facts.ts';
import { isUsable, kinshipOf, neighboursOf, type Kinship, type Neighbours } from './related-servers.ts';
import {
  addressesOf,
  inspect,
  inspectIfThere,
  lookBackOrFail,
  sameWorker,
  type Desk,
  type Lines,
  type Back,
} from './poll.ts';

/** What an operation needs before it begins: read once, at a higher cost than a poll may have. */

interface OwnServer {
  readonly view: ServerView;
  /** Null where HAProxy does not have the server any more: it binds no user. */
  readonly reading: FullReading | null;
}

/** Our own servers, read while no other call comes in between. */
export interface OwnServers {
  readonly level: Level;
  readonly worker: Worker | null;
  readonly servers: readonly OwnServer[];
  readonly past: Back;
}

/**
 * The first part: what this socket allows, and the servers of this node.
 * @param scope before an operation (`all`) HAProxy must have each of them; in one it may have lost some since
 * @throws LastcallError as `look`; `not-permitted` for a socket that may not write, unless `readOnly`; `no-such-server`
 */
export async function surveyOwn(
  desk: Desk,
  lines: Lines,
  scope: SurveyScope,
  readOnly: boolean,
): Promise<OwnServers> {
  const { ask } = lines.own;
  const level = await probe(ask, readOnly);
  const read = scope === 'all' ? inspect : inspectIfThere;
  const servers: OwnServer[] = [];
  let worker: Worker | null = null;
  for (const [server, name] of desk.names) {
    const { view, reading, worker: now } = await read(desk, ask, server, name);
    worker = sameWorker(desk, worker, now);
    servers.push({ view, reading });
  }
  return { level, worker, servers, past: await lookBackOrFail(desk, lines, worker) };
}

/**
 * The second part, which no look has to wait for: the stick tables, and one list of all servers.
 * @param before where our servers were seen last
 * @throws LastcallError as `look`
 */
export async function surveyAround(
  desk: Desk,
  lines: Lines,
  own: OwnServers,
  { scope, before }: { readonly scope: SurveyScope; readonly before: Addresses },
): Promise<Survey> {
  const around = scope === 'stickiness' ? null : await lookAround(desk, lines, own, before);
  const tables = once(() => sortedTables(desk, lines, own));
  const facts: ServerSurvey[] = [];
  for (const { view, reading } of thereOf(own)) {
    const { row, backend } = reading;
    const bound = await stickinessOf({ row, backend, level: own.level, tables });
    const neighbours = around?.neighbours.get(view.name) ?? UNASKED;
    const weight = row.count('uweight');
    const usable = view.admin === 'ready' && isUsable({ status: row.text('status') ?? '', weight });
    facts.push({ name: view.name, usable, ...neighbours, ...bound });
  }
  const asked = await tables.done;
  const { add, ...known } = own.past;
  return {
    worker: own.worker,
    ...known,
    servers: own.servers.map(({ view }) => add(view)),
    addresses: addressesOf(
      thereOf(own).map(({ view, reading }) => ({ server: view.name, row: reading.row })),
    ),
    facts,
    relatives: around?.kinship.relatives ?? null,
    foreignTables: asked?.foreign ?? [],
    blind: around?.kinship.blind ?? null,
    uncompared: around?.kinship.uncompared ?? [],
  };
}

/** The servers that HAProxy has. */
function thereOf({
  servers,
}: OwnServers): readonly { readonly view: ServerView; readonly reading: FullReading }[] {
  return servers.flatMap(({ view, reading }) => (reading === null ? [] : [{ view, reading }]));
}

const UNASKED: Neighbours = { role: null, usableOthers: null, standbys: [], missing: [] };

async function lookAround(
  desk: Desk,
  { own: talk }: Lines,
  { level, worker }: OwnServers,
  before: Addresses,
): Promise<{ readonly kinship: Kinship; readonly neighbours: ReadonlyMap<string, Neighbours> }> {
  const { info, rows } = await listAllServers(talk, (command, onLine) => talk.stream(command, onLine));
  sameWorker(desk, worker, desk.workers.identify(info));
  const kinship = kinshipOf(rows, desk.names, level, before);
  const trackers = kinship.relatives.filter(({ by }) => by === 'track').map(({ name }) => name);
  const ours = new Set([...desk.names.keys(), ...trackers]);
  const entries = [...desk.names].map(([server, name]) => [server, neighboursOf(rows, name, ours)] as const);
  return { kinship, neighbours: new Map(entries) };
}

function sortedTables(desk: Desk, { own: talk }: Lines, own: OwnServers): Promise<Tables> {
  const servers = thereOf(own);
  const hashed = servers.some(({ reading }) => HASHED.has(reading.backend.text('algo') ?? ''));
  const keys = servers.flatMap(({ view, reading }) =>
    serverKeys(desk.names.get(view.name)?.server ?? view.name, endpointOf(reading.row.text('addr'))),
  );
  const table: TableTalk = { target: talk.target, pour: (command, onChunk) => talk.pour(command, onChunk) };
  const holds = async (name: string): Promise<boolean | null> => {
    try {
      return await holdsEntryOf(table, name, keys);
    } catch (error) {
      // A table that is too large for our deadline, or has gone: unknown, which counts as sticky.
      if (isLastcallError(error)) return null;
      throw error;
    }
  };
  return sortTables(talk.ask, holds, { names: desk.names.values(), hashed });
}

/** Asked by the first who needs it; `done` is null where none did. */
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
async function probe(ask: Ask, readOnly: boolean): Promise<Level> {
  const reply = await ask(together(showLevel(), showInfo()));
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
      next: 'give this `stats socket` the words `level admin`, or write `writer: agent-check` for this balancer',
    },
  );
}
