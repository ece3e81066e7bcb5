import { probeTable, showTables } from '../haproxy/command.ts';
import { isTableName } from '../haproxy/names.ts';
import type { Ask } from '../haproxy/reader.ts';
import type { StatRow } from '../haproxy/stats.ts';
import { parseTables, storesServers } from '../haproxy/table.ts';
import type { ServerSurvey, ServerView } from '../lifecycle/view.ts';

/** How much a socket shows: `cookie` and `algo` are empty below level operator, tables too (tried on 2.6.12). */
export type Level = 'admin' | 'operator' | 'user';

interface Asked {
  readonly view: ServerView;
  readonly row: StatRow;
  readonly backend: StatRow;
  readonly level: Level;
  /** See `tablesStick`; asked only where nothing else tells. */
  readonly tables: () => Promise<string | null>;
}

/** What an operation needs to know of a server before it begins. */
export async function factsOf({ view, row, backend, level, tables }: Asked): Promise<ServerSurvey> {
  // Also one that is UP by assumption (`UP 1/3`): users come to it, and HAProxy counts it.
  const isUp = view.operational === 'up' || /^UP\b/.test(row.text('status') ?? '');
  const usable = view.admin === 'ready' && isUp && view.weight !== 0;
  return {
    name: view.name,
    usable,
    usableOthers: othersOf(row, backend, usable),
    sticky: level === 'user' ? 'unknown' : await stickiness(row, backend, tables),
  };
}

/**
 * Usable servers of the same role besides this one. The BACKEND row counts in `act` and `bck` those that take new
 * users (not drained, NOLB, MAINT, DOWN or of weight 0), the server's own row only says its role (haproxy-facts L).
 */
function othersOf(row: StatRow, backend: StatRow, usable: boolean): number | null {
  const role = row.count('act') === 1 ? 'act' : row.count('bck') === 1 ? 'bck' : null;
  const all = role === null ? null : backend.count(role);
  if (all === null) return null;
  const others = all - (usable ? 1 : 0);
  return others < 0 ? null : others;
}

/** Balance algorithms that remember nobody, and those that bind by a hash (configuration.txt, `balance`). */
const FREE = new Set(['roundrobin', 'static-rr', 'leastconn', 'first', 'random', 'none']);
const HASHED = new Set(['source', 'uri', 'url_param', 'hdr', 'rdp-cookie', 'hash', 'log-hash']);

async function stickiness(
  row: StatRow,
  backend: StatRow,
  tables: () => Promise<string | null>,
): Promise<string | null> {
  const ownCookie = row.text('cookie');
  const cookieName = backend.text('cookie');
  if (ownCookie !== '' && ownCookie !== undefined && cookieName !== '') return 'cookie';
  const algorithm = backend.text('algo') ?? '';
  if (HASHED.has(algorithm)) return 'hash balance';
  const table = await tables();
  if (table !== null) return table;
  // 2.6 calls `balance random` unknown, and other versions may have words that we do not know.
  return FREE.has(algorithm) && cookieName !== undefined ? null : 'unknown';
}

/**
 * `stick table` if any table of this HAProxy stores server ids, `unknown` if one cannot be told, else null. Any: the
 * Runtime API does not show which backend sticks on which table, and a table of any name may be used by ours.
 */
export async function tablesStick(ask: Ask): Promise<string | null> {
  let found: string | null = null;
  for (const table of parseTables(await ask(showTables()))) {
    const stores = isTableName(table) ? storesServers(await ask(probeTable(table))) : null;
    if (stores === true) return 'stick table';
    if (stores === null) found = 'unknown';
  }
  return found;
}
