import type { Client } from '../client.ts';
import type { Columns } from './columns.ts';
import { showAllRows, showInfo, batch, type Command } from '../command.ts';
import { parseInfo, type Info } from './show-info.ts';
import { throwRefusal, unexpected, type Reply } from '../reply.ts';
import { fieldsOf, statColumns, statRow } from './show-stat.ts';

/**
 * One server or BACKEND row of `show stat`, reduced to the columns that identify a server and show whether it is
 * usable.
 */
export interface ListedServer {
  readonly backend: string;
  /** `BACKEND` for the row of the backend itself, and for a server of that name. */
  readonly server: string;
  /** False for the row of the backend itself. */
  readonly isServer: boolean;
  /** HAProxy's text: `UP`, `DOWN 1/2`, `MAINT (via pages/app1)`. */
  readonly status: string;
  readonly weight: number | null;
  /** Served and queued at this worker; null where one of the two is not shown. */
  readonly connections: number | null;
  /** A server: 1 and 0 by its role. The BACKEND row: how many of its servers take new users (BEHAVIOUR.md#capacity). */
  readonly active: number | null;
  readonly backup: number | null;
  /** `backend/server` whose checks and states it follows, or '' ; undefined where this HAProxy has no such column. */
  readonly tracked: string | undefined;
  /** `10.0.0.1:80`, `[::1]:80`, `unix`, or '' where it has none or the socket's level hides it (below operator). */
  readonly address: string | undefined;
}

export interface AllServers {
  /** The worker that answered: it came on the same connection. */
  readonly info: Info;
  readonly rows: readonly ListedServer[];
}

/** One exchange of any length within the caller's deadline; resolves when all lines have come. */
export type Stream = (command: Command, onLine: (line: string) => void) => Promise<void>;

type ReplyPart = 'info' | 'header' | 'rows' | 'end';

/**
 * Every server of every backend, and the BACKEND rows. It costs HAProxy one row for each of them, so it is no part of
 * a poll. Columns by name; `tracked` is there at every level, `addr` from level operator on (tried on 2.6.12, 3.2.26).
 * @throws LastcallError as the stream, and `balancer-unreachable` when it is no such answer
 */
export async function listAllServers(
  { target }: Pick<Client, 'target'>,
  stream: Stream,
): Promise<AllServers> {
  const command = batch(showInfo(), showAllRows());
  const replyOf = (text: string): Reply => ({ text, command, target, elapsedMs: 0 });
  const about: string[] = [];
  const rows: ListedServer[] = [];
  let part: ReplyPart = 'info' as ReplyPart;
  let columns: Columns | null = null;
  await stream(command, (line) => {
    if (columns !== null && part === 'rows' && line !== '') {
      rows.push(serverIn(columns, line, replyOf('')));
    } else if (part === 'header') {
      throwRefusal(line, replyOf(line));
      columns = statColumns(line.split(','), replyOf(line));
      part = 'rows';
    } else if (line === '') {
      part = part === 'info' ? 'header' : 'end';
    } else if (part === 'info') {
      about.push(line);
    } else {
      throw unexpected(replyOf(line), line);
    }
  });
  if (part !== 'end') throw unexpected(replyOf(''), 'it ends before the list of servers does');
  return { info: parseInfo(about.join('\n'), replyOf('')), rows };
}

/** The column `type`: 0 a frontend, 1 a backend, 2 a server, 3 a socket (management.txt, 9.1). */
const SERVER = 2;

function serverIn(columns: Columns, line: string, reply: Reply): ListedServer {
  const [fields = [], ...more] = fieldsOf(line, reply);
  const row = statRow(columns, fields, reply);
  const backend = row.text('pxname');
  const server = row.text('svname');
  const served = row.count('scur');
  const queued = row.count('qcur');
  const kind = row.count('type');
  if (backend === undefined || server === undefined || kind === null || more.length > 0)
    throw unexpected(reply, line);
  return {
    backend,
    server,
    isServer: kind === SERVER,
    status: row.text('status') ?? '',
    weight: row.count('uweight'),
    connections: served === null || queued === null ? null : served + queued,
    active: row.count('act'),
    backup: row.count('bck'),
    tracked: row.text('tracked'),
    address: row.text('addr'),
  };
}
