import { LastcallError } from '../../system/error.ts';
import { showInfo, showTable, batch, type Command } from '../command.ts';
import { endOf, isValue, type Entry } from './table-entry.ts';
import { parseInfo, type Info } from './show-info.ts';
import { contextOf, throwRefusal, unexpected, withoutSeverity, type ReplyContext } from '../reply.ts';
import { tableIn } from './show-table.ts';
import { createTableDump, type DumpHandlers, type TableDump } from './table-dump.ts';

/** An answer in pieces, within the caller's deadline; `onChunk` returns true once it has seen enough. */
export type StreamReply = (command: Command, onChunk: (chunk: Buffer) => boolean) => Promise<void>;

/** One HAProxy, within the caller's deadline. */
export interface TableConnection {
  readonly target: string;
  readonly streamReply: StreamReply;
}

/** What identifies the entries of this node's servers, at one HAProxy. */
export interface EntryFilter {
  /** `serverKeys` of each of them. */
  readonly keys: readonly string[];
  /** Their numbers in their backends, found a moment ago: a reload may give them to others. */
  readonly numbers: ReadonlySet<number>;
  /**
   * Of these, the numbers that count where an entry has no key. In a table that backends share, its backend is
   * unknown, so another server's may be counted: too many, until it ends or HAProxy stores it again, which writes
   * the key. Only `set table` and peers make such entries (tried on 2.6.12).
   */
  readonly keyless: ReadonlySet<number>;
  /** One of them shows no IP address, so any key that is no server's may be its address (`srvkey addr`). */
  readonly hidden: boolean;
}

/** What one stick table holds. */
export interface Entries {
  /** The worker that counted: it came on the same connection. */
  readonly info: Info;
  /** Of all servers. */
  readonly total: number;
  /** Ours, by key or by number. */
  readonly count: number;
  /** Without a key, of all servers. */
  readonly keyless: number;
  /** The longest time to live of ours among the first ten thousand of them, in milliseconds; 0 where there is none. */
  readonly longestMs: number;
  /** The same of all; 0 with entries in it is a table without `expire`. */
  readonly longestOfAllMs: number;
  /** Those whose key is not ours, and which HAProxy would lead to us by number if no server has that key. */
  readonly doubts: ReadonlyMap<string, EntryDoubt>;
}

export interface EntryDoubt {
  readonly count: number;
  readonly longestMs: number;
}

/** `show info;show table NAME`: all entries, and the worker that shows them. */
export const dumpOf = (table: string): Command => batch(showInfo(), showTable(table));

/**
 * Whether a stick table holds an entry that HAProxy leads to one of our servers by its `server_key`. Reads no further
 * than the first; of a table without one, all of it, in constant memory.
 * @param keys `serverKeys` (server-keys.ts) of each server of ours at this HAProxy
 * @throws LastcallError as `streamReply`; `failed` with HAProxy's reason (no such table); `not-permitted` where the socket
 *   does not show entries; `balancer-unreachable` for an answer that was cut; `usage` for a name that cannot be one
 */
export async function holdsEntryOf(
  connection: TableConnection,
  table: string,
  keys: readonly string[],
): Promise<boolean> {
  const ours = keys.map((key) => Buffer.from(key, 'latin1'));
  let found = false;
  const command = dumpOf(table);
  const { dump } = tableDump(connection.target, command, table, ({ serverKeyAt: at }, bytes, to) => {
    if (at >= 0 && !found) found = ours.some((key) => isValue(bytes, at, to, key));
  });
  await connection.streamReply(command, (chunk) => {
    dump.push(chunk);
    return found;
  });
  if (!found) dump.finish();
  return found;
}

/** A sample: measuring all entries would double lastcall's share of the work. */
const MEASURED = 10_000;
/** The most keys in doubt, each the name of a server: only a table that was filled on purpose has more of them. */
const MOST_DOUBTS = 1_000;
/** What HAProxy shows for a key that is not there, and a server's name too. */
const NO_KEY = Buffer.from('-');

/**
 * Counts the entries that bind users to our servers. HAProxy finds the server of an entry by its `server_key`;
 * where there is none, or the backend that looks has no such server, by `server_id` (tried on 2.6.12, 3.0.11 and
 * 3.2.26).
 *
 * The keys of the users, which are secrets (session ids), are in memory only as long as their piece and in no
 * message.
 * @throws LastcallError as `holdsEntryOf`; `failed` for a table without servers
 */
export async function countEntries(
  connection: TableConnection,
  table: string,
  ours: EntryFilter,
): Promise<Entries> {
  const command = dumpOf(table);
  const tally = createTally(ours, () =>
    storesNoServers(table, { command, target: connection.target, elapsedMs: 0 }),
  );
  const { dump, info } = tableDump(connection.target, command, table, tally.add);
  await connection.streamReply(command, (chunk) => {
    dump.push(chunk);
    return false;
  });
  dump.finish();
  return { info: info(), ...tally.result() };
}

interface EntryTally {
  readonly add: DumpHandlers['onEntry'];
  readonly result: () => Omit<Entries, 'info'>;
}

function createTally({ keys, numbers, keyless, hidden }: EntryFilter, noServers: () => Error): EntryTally {
  const wanted = keys.map((key) => Buffer.from(key, 'latin1'));
  const doubts = new Map<string, EntryDoubt>();
  const sum = { total: 0, count: 0, keyless: 0, longestMs: 0, longestOfAllMs: 0 };
  const addOurs = ({ timeToLiveMs }: Entry): void => {
    sum.count += 1;
    if (sum.count <= MEASURED) sum.longestMs = Math.max(sum.longestMs, timeToLiveMs);
  };
  const addKeyless = (entry: Entry): void => {
    if (entry.serverId < 0) throw noServers();
    sum.keyless += 1;
    if (keyless.has(entry.serverId)) addOurs(entry);
  };
  const addOther = (entry: Entry, name: () => string): void => {
    if (!hidden && !numbers.has(entry.serverId)) return;
    const key = name();
    const { count, longestMs } = doubts.get(key) ?? { count: 0, longestMs: 0 };
    if (count === 0 && doubts.size >= MOST_DOUBTS) return addOurs(entry);
    doubts.set(key, { count: count + 1, longestMs: Math.max(longestMs, entry.timeToLiveMs) });
  };
  return {
    add(entry, bytes, to) {
      const { serverKeyAt: at, timeToLiveMs } = entry;
      sum.total += 1;
      if (sum.total <= MEASURED) sum.longestOfAllMs = Math.max(sum.longestOfAllMs, timeToLiveMs);
      if (at < 0) return addKeyless(entry);
      for (const key of wanted) if (isValue(bytes, at, to, key)) return addOurs(entry);
      if (isValue(bytes, at, to, NO_KEY)) return addKeyless(entry);
      addOther(entry, () => bytes.toString('latin1', at, endOf(bytes, at, to)));
    },
    result: () => ({ ...sum, doubts }),
  };
}

/** The error for a table that binds no user to a server. */
export function storesNoServers(table: string, asked: ReplyContext): LastcallError {
  const message = `${asked.target}: the stick table ${table} stores no servers`;
  const next = 'name the table of `stick on` or `stick store-response`';
  return new LastcallError('failed', message, { ...contextOf(asked), next });
}

function tableDump(
  target: string,
  command: Command,
  table: string,
  onEntry: DumpHandlers['onEntry'],
): { readonly dump: TableDump; readonly info: () => Info } {
  const asked: ReplyContext = { command, target, elapsedMs: 0 };
  let about = '';
  const dump = createTableDump(asked, {
    onInfo: (text) => void (about = text),
    onHeader: (line) => requireHeader(line, table, asked),
    onEntry,
    notEntry: (line) => notEntry(line, asked),
  });
  return { dump, info: () => parseInfo(about, { ...asked, text: '' }) };
}

/** @throws LastcallError unless the table that was asked for begins here */
function requireHeader(line: string, table: string, asked: ReplyContext): void {
  if (tableIn(line) === table) return;
  if (withoutSeverity(line).startsWith('No such table')) {
    const message = `${asked.target}: has no stick table ${table}`;
    const next = 'write the name of one that `show table` lists';
    throw new LastcallError('failed', message, { ...contextOf(asked), next });
  }
  throwRefusal(line, asked);
  throw unexpected(asked, line);
}

/** Never shows the line: it may hold a key. */
function notEntry(line: string, asked: ReplyContext): LastcallError {
  if (!line.startsWith('# contents not dumped')) return unexpected(asked, 'a line that is no entry');
  const message = `${asked.target}: this socket does not show what is in a stick table`;
  const next = 'give this `stats socket` `level operator` or `level admin`';
  return new LastcallError('not-permitted', message, { ...contextOf(asked), next });
}
