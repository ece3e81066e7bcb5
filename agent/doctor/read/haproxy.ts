import type { HaproxyConfig } from '../../config/config.ts';
import { parseAddress } from '../../haproxy/address.ts';
import { createClient, type Client } from '../../haproxy/client.ts';
import { createReadingPace } from '../../haproxy/reading-pace.ts';
import {
  batch,
  probeTable,
  showInfo,
  showLevel,
  showPeers,
  showProc,
  showTables,
} from '../../haproxy/command.ts';
import { isTableName, parseServerName } from '../../haproxy/names.ts';
import { answersOf, withoutSeverity } from '../../haproxy/reply.ts';
import { hasFragileMaster, parseInfo } from '../../haproxy/replies/show-info.ts';
import { parseOldWorkers } from '../../haproxy/replies/show-proc.ts';
import { sharedTables } from '../../haproxy/replies/show-peers.ts';
import { parseAgentPort } from '../../haproxy/replies/show-servers-state.ts';
import { parseTables, storesServers } from '../../haproxy/replies/show-table.ts';
import { countEntries } from '../../haproxy/replies/table-entries.ts';
import type { Endpoint } from '../../haproxy/server-keys.ts';
import { readEach } from '../../haproxy/shared-lines.ts';
import { createServerReader, type SendCommand } from '../../haproxy/server-reader.ts';
import type { Clock } from '../../system/clock.ts';
import { LastcallError } from '../../system/error.ts';
import type { HaproxyExamined, ServerExamined, TableExamined } from '../examination.ts';
import { attempt, NOT_ASKED, type Readout } from '../readout.ts';

/** What one HAProxy shows at its Runtime API, beyond what a look at a balancer needs. */

const EXCHANGE_MS = 2_000;
/** For the whole of a stick table: a million entries take some two seconds (BEHAVIOUR.md#stick-tables). */
const TABLE_MS = 10_000;

/** Reads level and version of this socket, in one exchange: where it does not answer, nothing else is asked. */
export async function readAbout(
  { address, tls }: HaproxyConfig,
  { clock, signal }: ReadPorts,
): Promise<HaproxyExamined['about']> {
  const client = createClient(address, parseAddress(address, 'config'), { clock, tls });
  return attempt(() => aboutOf((command) => client.exchange(command, EXCHANGE_MS, signal)));
}

export interface ReadPorts {
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/**
 * Reads the rest, each question once; it writes nothing.
 * @param tables names of those that may bind this node's users
 */
export async function readHaproxy(
  config: HaproxyConfig,
  about: HaproxyExamined['about'],
  tables: readonly string[],
  { clock, signal }: ReadPorts,
): Promise<Pick<HaproxyExamined, 'master' | 'servers' | 'tables'>> {
  const { address, tls } = config;
  const client = createClient(address, parseAddress(address, 'config'), { clock, tls });
  const ask: SendCommand = (command) => client.exchange(command, EXCHANGE_MS, signal);
  return {
    master: config.master === null ? null : await askMaster(config.master, about, { clock, signal }),
    servers: await attempt(() => serversOf(ask, config.servers)),
    tables: await attempt(() => tablesOf(ask, client, tables, { clock, signal })),
  };
}

async function aboutOf(ask: SendCommand): Promise<{ info: ReturnType<typeof parseInfo>; level: string }> {
  const reply = await ask(batch(showLevel(), showInfo()));
  const [level = '', info = ''] = answersOf(reply);
  return { info: parseInfo(info, reply), level: withoutSeverity(level) };
}

/** Each connection to the master CLI of some versions is a risk, which this question is not worth. */
function askMaster(
  address: string,
  about: HaproxyExamined['about'],
  { clock, signal }: ReadPorts,
): Promise<Readout<void>> {
  if (!about.ok) return Promise.resolve(about);
  if (hasFragileMaster(about.value.info)) {
    const why = `${address}: not asked, since a connection to it may end HAProxy ${about.value.info.version}`;
    return Promise.resolve({ ok: false, why, code: NOT_ASKED });
  }
  const client = createClient(address, parseAddress(address, 'config'), { clock });
  const { pid } = about.value.info;
  return attempt(async () => {
    const reply = await client.exchange(showProc(), EXCHANGE_MS, signal);
    if (parseOldWorkers(answersOf(reply)[0] ?? '', reply, pid) !== null) return;
    throw new LastcallError('failed', `${address}: it has no worker of pid ${pid}: it is another HAProxy's`);
  });
}

async function serversOf(ask: SendCommand, names: readonly string[]): Promise<ServerExamined[]> {
  const reader = createServerReader();
  return readEach(ask, names, async (each, name) => {
    const parsed = parseServerName(name, 'config');
    const { row, backend, state, reply } = await reader.readFull(each, parsed);
    const { endpoint, initialWeight, checkPort } = state;
    const checked = endpoint && { ...endpoint, port: checkPort ?? endpoint.port };
    return {
      name,
      status: row.text('status') ?? '',
      cookie: cookieOf(backend.text('cookie'), row.text('cookie')),
      algorithm: backend.text('algo') ?? '',
      checkStatus: row.checkCode('check_status'),
      tracked: row.text('tracked') || null,
      agentStatus: row.checkCode('agent_status'),
      agentPort: parseAgentPort(answersOf(reply)[3] ?? '', parsed.server, reply),
      weight: initialWeight,
      address: addressText(endpoint),
      checkAddress: addressText(checked),
    };
  });
}

function cookieOf(name = '', value = ''): ServerExamined['cookie'] {
  return name === '' || value === '' ? null : { name, value };
}

function addressText(endpoint: Endpoint | null): string | null {
  if (endpoint === null || endpoint.port === 0) return null;
  const { host, port } = endpoint;
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Those that are there and store servers. */
async function tablesOf(
  ask: SendCommand,
  client: Client,
  wanted: readonly string[],
  { clock, signal }: ReadPorts,
): Promise<TableExamined[]> {
  const names = parseTables(await ask(showTables())).filter(
    (name) => wanted.includes(name) && isTableName(name),
  );
  if (names.length === 0) return [];
  const shared = sharedTables(await ask(showPeers()));
  const talk = {
    target: client.target,
    streamReply: (
      ...[command, onChunk]: [Parameters<Client['streamReply']>[0], Parameters<Client['streamReply']>[1]]
    ) => client.streamReply(command, onChunk, TABLE_MS, signal, createReadingPace(clock, TABLE_MS)),
  };
  const found: TableExamined[] = [];
  for (const name of names) {
    if (storesServers(await ask(probeTable(name))) === false) continue;
    const { total, longestOfAllMs } = await countEntries(talk, name, NO_KEYS);
    found.push({ name, neverEnds: total === 0 ? null : longestOfAllMs === 0, hasPeers: shared.has(name) });
  }
  return found;
}

/** All entries are meant, whatever server they lead to. */
const NO_KEYS = { keys: [], numbers: new Set<number>(), keyless: new Set<number>(), hidden: false };
