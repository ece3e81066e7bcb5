import { LastcallError } from '../system/error.ts';
import type { Client } from './client.ts';
import { showEntries, showInfo, together, type Command } from './command.ts';
import { parseInfo, type Info } from './info.ts';
import { contextOf, throwRefusal, unexpected, withoutSeverity, type Reply } from './reply.ts';

/** What one stick table holds of one server. */
export interface Entries {
  /** Who counted: it came on the same connection, so from the same worker. */
  readonly info: Info;
  readonly count: number;
  /** The longest time to live among the first ten thousand, in milliseconds; 0 where there is none. */
  readonly longestMs: number;
}

export interface Search {
  readonly table: string;
  /** The server's number in its backend, found a moment ago: a reload may give it to another one. */
  readonly serverId: number;
}

/** They come in the order of their keys, so these are a sample; to measure all would double our own share of the work. */
const MEASURED = 10_000;

/** Where in the answer we are. */
type Part = 'info' | 'header' | 'entries' | 'end';

/** One exchange of any length within the caller's deadline; resolves when all lines have come. */
export type Stream = (command: Command, onLine: (line: string) => void) => Promise<void>;

/**
 * Counts the entries of a stick table that bind users to one server. The keys, which are secrets (session ids), are
 * in memory only as long as their line and in no message.
 *
 * The header's `used:` is the whole table's, so the lines are counted (haproxy-facts E). There is no command that
 * only counts.
 * @throws LastcallError as the stream, and `failed` | `not-permitted` with HAProxy's reason
 */
export async function countEntries(
  { target }: Pick<Client, 'target'>,
  stream: Stream,
  search: Search,
): Promise<Entries> {
  const command = together(showInfo(), showEntries(search.table, search.serverId));
  const replyOf = (text: string): Reply => ({ text, command, target, elapsedMs: 0 });
  const about: string[] = [];
  let part: Part = 'info' as Part;
  let count = 0;
  let longestMs = 0;
  await stream(command, (line) => {
    if (part === 'entries' && line.startsWith('0x')) {
      count += 1;
      if (count <= MEASURED) longestMs = Math.max(longestMs, timeToLive(line));
    } else if (part === 'header') {
      readHeader(line, search.table, replyOf(line));
      part = 'entries';
    } else if (line === '') {
      part = part === 'info' ? 'header' : 'end';
    } else if (part === 'info') {
      about.push(line);
    } else {
      throw notEntry(line, replyOf(''));
    }
  });
  if (part !== 'end') throw unexpected(replyOf(''), 'it ends before the table does');
  return { info: parseInfo(about.join('\n'), replyOf('')), count, longestMs };
}

/** Milliseconds until the entry is forgotten. From the end of the line: a key may hold ` exp=` too, data may not. */
function timeToLive(line: string): number {
  const at = line.lastIndexOf(' exp=') + ' exp='.length;
  const end = line.indexOf(' ', at);
  return Number(line.slice(at, end < 0 ? undefined : end)) || 0;
}

/** @throws LastcallError unless the table that was asked for begins here */
function readHeader(line: string, table: string, reply: Reply): void {
  if (line.startsWith(`# table: ${table}, `)) return;
  const words = withoutSeverity(line);
  if (words.startsWith('No such table')) {
    throw refused(reply, `has no stick table ${table}`, 'write the name of one that `show table` lists');
  }
  if (words.includes('Data type not stored in this table')) {
    throw refused(
      reply,
      `the stick table ${table} knows no servers`,
      'name the table of `stick on` or `stick store-response`',
    );
  }
  throwRefusal(line, reply);
  throw unexpected(reply, line);
}

/** Never shows the line: it may hold a key. */
function notEntry(line: string, reply: Reply): LastcallError {
  if (!line.startsWith('# contents not dumped')) return unexpected(reply, 'a line that is no entry');
  return new LastcallError(
    'not-permitted',
    `${reply.target}: this socket does not show what is in a stick table`,
    { ...contextOf(reply), next: 'give this `stats socket` the words `level operator` or `level admin`' },
  );
}

function refused(reply: Reply, what: string, next: string): LastcallError {
  return new LastcallError('failed', `${reply.target}: ${what}`, { ...contextOf(reply), next });
}
