import { probeTable, showTables } from '../../haproxy/command.ts';
import { isTableName, type ServerName } from '../../haproxy/names.ts';
import type { SendCommand } from '../../haproxy/server-reader.ts';
import type { StatRow } from '../../haproxy/replies/show-stat.ts';
import { parseTables, storesServers } from '../../haproxy/replies/show-table.ts';
import type { ServerSurvey } from '../../lifecycle/model/survey.ts';

/** How much a socket shows: `cookie` and `algo` are empty below level operator, tables too (tried on 2.6.12). */
export type SocketLevel = 'admin' | 'operator' | 'user';

/** The entries of this node in the stick tables of a HAProxy. */
export interface StickTables {
  /** Those that bear the name of a backend of this node. */
  readonly named: readonly string[];
  /** Those that hold an entry of one of its servers. */
  readonly holding: readonly string[];
  /** Those that store servers, and none of this node. */
  readonly foreign: readonly string[];
  /** Those of which that is unknown. */
  readonly unknown: readonly string[];
}

/** What binds users to a server: `sticky` and `hashed` of `ServerSurvey`. */
export type Stickiness = Pick<ServerSurvey, 'sticky' | 'hashed'>;

interface SurveyInput {
  readonly row: StatRow;
  readonly backend: StatRow;
  readonly level: SocketLevel;
  /** Listed only where nothing else decides. */
  readonly tables: () => Promise<StickTables>;
}

/** Balance algorithms that bind users by a hash of something that they bring (configuration.txt, `balance`). */
export const HASHED = new Set(['source', 'uri', 'url_param', 'hdr', 'hash']);
/**
 * Those that bind no user. In mode http and tcp `unknown` is `random`, which no version names; it is what a backend
 * without a `balance` line has from 3.3 on (backend_lb_algo_str; seen on 2.6.12 and 3.2.26).
 */
const FREE = new Set(['roundrobin', 'static-rr', 'leastconn', 'first', 'random', 'unknown', 'none']);

/**
 * What binds users to a server, as far as the Runtime API shows it.
 * @throws LastcallError as `tables`
 */
export async function stickyReason({ row, backend, level, tables }: SurveyInput): Promise<Stickiness> {
  if (level === 'user') return sticky('a socket of level user does not show what binds them');
  const ownCookie = row.text('cookie');
  const cookieName = backend.text('cookie');
  if (ownCookie !== '' && ownCookie !== undefined && cookieName !== '') return sticky('cookie');
  const algorithm = backend.text('algo') ?? '';
  if (algorithm === 'rdp-cookie') return sticky('balance rdp-cookie');
  const { named, holding, unknown } = await tables();
  const [table] = holding.length > 0 ? holding : named;
  const bound = table === undefined ? null : `stick table ${table}`;
  // Entries outlive a new hash; a table that holds none of ours keeps no user here.
  if (HASHED.has(algorithm) && holding.length === 0) return { sticky: bound, hashed: `balance ${algorithm}` };
  if (bound !== null) return sticky(bound);
  if (unknown.length > 0)
    return sticky(`whether the stick table ${unknown.join(', ')} binds them is unknown`);
  if (backend.text('mode') === 'tcp') return sticky('mode tcp, where `persist rdp-cookie` cannot be seen');
  if (FREE.has(algorithm) && cookieName !== undefined) return { sticky: null, hashed: null };
  return sticky(`unknown: balance ${algorithm}`);
}

function sticky(why: string): Stickiness {
  return { sticky: why, hashed: null };
}

/** Whether a table holds an entry that binds a user to one of this node's servers; null = unknown. */
export type HoldsEntry = (table: string) => Promise<boolean | null>;

/** The node whose tables are sought. */
interface Bound {
  readonly names: Iterable<ServerName>;
  /** A hash balances one of its backends, so entries matter beside a table's name. */
  readonly hashed: boolean;
}

/**
 * Sorts the stick tables that store servers. The Runtime API does not show which backend sticks on which table, and a
 * table of any name may be used by ours: so it is ours by its name, or by an entry of ours in it. Entries are sought
 * only where the names do not settle it.
 * @throws LastcallError as the exchanges
 */
export async function findStickTables(
  ask: SendCommand,
  holds: HoldsEntry,
  { names, hashed }: Bound,
): Promise<StickTables> {
  const backends = new Set([...names].map(({ backend }) => backend));
  const stores = new Map<string, boolean | null>();
  for (const table of parseTables(await ask(showTables()))) {
    const storing = isTableName(table) ? storesServers(await ask(probeTable(table))) : null;
    if (storing !== false) stores.set(table, storing);
  }
  const named = [...stores].flatMap(([table, storing]) =>
    storing === true && backends.has(table) ? [table] : [],
  );
  if (named.length > 0 && !hashed) return { ...NO_TABLES, named };
  const found = new Map<string, boolean | null>();
  for (const [table, storing] of stores) found.set(table, storing && (await holds(table)));
  const those = (answer: boolean | null): string[] =>
    [...found].flatMap(([table, holding]) => (holding === answer ? [table] : []));
  const foreign = those(false).filter((table) => !backends.has(table));
  return { named, holding: those(true), foreign, unknown: those(null) };
}

const NO_TABLES: StickTables = { named: [], holding: [], foreign: [], unknown: [] };
