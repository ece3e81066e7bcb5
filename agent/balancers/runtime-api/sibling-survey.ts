import { showInfo, showServersState, showSiblings, batch } from '../../haproxy/command.ts';
import { parseInfo } from '../../haproxy/replies/show-info.ts';
import type { SendCommand } from '../../haproxy/server-reader.ts';
import { answersOf, type Reply } from '../../haproxy/reply.ts';
import {
  parseServersState,
  readAdmin,
  readOver,
  type ServerStateRow,
} from '../../haproxy/replies/show-servers-state.ts';
import { parseStats, type StatRow } from '../../haproxy/replies/show-stat.ts';
import type { Look, Role } from '../../lifecycle/model/observation.ts';
import type { Sibling, Survey } from '../../lifecycle/model/survey.ts';
import { comparable, isUsable } from './related-servers.ts';
import { sameWorker, type DriverContext, type Connections } from './poll.ts';

/** The siblings of our servers, listed only where too few of them are usable: the cost grows with their backends. */

/**
 * @param own a look at our servers that was asked for just before
 * @throws LastcallError as `look`
 */
export async function surveySiblings(
  context: DriverContext,
  { statsSocket: client }: Connections,
  own: Look,
): Promise<Survey> {
  const backends = new Map<string, number>();
  for (const { name: server, absent } of own.servers) {
    const name = context.names.get(server);
    const place = name && context.reader.idsOf(name);
    if (name && place && absent === undefined) backends.set(name.backend, place.backendId);
  }
  const siblings: Sibling[] = [];
  for (const [name, backendId] of backends)
    siblings.push(...(await siblingsIn(context, client.ask, { name, backendId }, own)));
  const asked = { facts: [], relatives: null, foreignTables: [], blind: null, uncompared: [] };
  return { ...own, ...asked, siblings };
}

interface Backend {
  readonly name: string;
  readonly backendId: number;
}

async function siblingsIn(
  context: DriverContext,
  ask: SendCommand,
  { name, backendId }: Backend,
  own: Look,
): Promise<Sibling[]> {
  const reply = await ask(batch(showInfo(), showSiblings({ backendId }), showServersState(name)));
  const [info = '', stats = '', states = ''] = answersOf(reply);
  sameWorker(context, own.worker, context.workers.identify(parseInfo(info, reply)));
  return readSiblings(name, { stats, states }, new Set(context.names.keys()), reply);
}

/**
 * @param backend a number is a position: rows of another backend are left out
 * @param ours servers that are listed as this node's
 */
function readSiblings(
  backend: string,
  { stats, states }: { readonly stats: string; readonly states: string },
  ours: ReadonlySet<string>,
  reply: Reply,
): Sibling[] {
  const rows = parseStats(stats, reply).filter((row) => row.text('pxname') === backend);
  const stateOf = new Map(parseServersState(states, reply).map((state) => [state.server, state]));
  const servers = rows.filter((row) => stateOf.has(row.text('svname') ?? ''));
  const homes = new Set(servers.filter((row) => ours.has(nameOf(row))).map(addressOf));
  const trackers = trackersOf(servers, ours);
  return servers.flatMap((row) => {
    const state = stateOf.get(row.text('svname') ?? '');
    if (state === undefined || ours.has(nameOf(row))) return [];
    const isHome = addressOf(row) !== null && homes.has(addressOf(row));
    return [siblingOf(row, state, trackers.has(nameOf(row)) ? 'track' : isHome ? 'address' : null)];
  });
}

/** Those of this backend that follow one of ours, directly or through each other. */
function trackersOf(servers: readonly StatRow[], ours: ReadonlySet<string>): ReadonlySet<string> {
  const following = new Set(ours);
  let before: number;
  do {
    before = following.size;
    for (const row of servers) if (following.has(row.text('tracked') ?? '')) following.add(nameOf(row));
  } while (following.size > before);
  return following;
}

function siblingOf(row: StatRow, { adminBits }: ServerStateRow, by: Sibling['by']): Sibling {
  const { admin } = readAdmin(adminBits);
  const status = row.text('status') ?? '';
  const weight = row.count('uweight');
  return {
    name: nameOf(row),
    role: roleOf(row),
    admin,
    forced: readOver(adminBits)?.forced ?? admin,
    usable: isUsable({ status, weight }),
    couldServe: /^DRAIN\b/.test(status) && weight !== 0,
    by,
  };
}

function nameOf(row: StatRow): string {
  return `${row.text('pxname') ?? ''}/${row.text('svname') ?? ''}`;
}

function addressOf(row: StatRow): string | null {
  return comparable(row.text('addr'));
}

function roleOf(row: StatRow): Role | null {
  if (row.count('act') === 1) return 'active';
  return row.count('bck') === 1 ? 'backup' : null;
}
