import type { ServerName } from '../names.ts';
import { columnsOf, parseCount } from './columns.ts';
import { unexpected, type Reply } from '../reply.ts';

/** One line of `show servers conn`. */
export interface ServerConnections {
  /** `used_cur`: connections in use, those of mode tcp and those private to a client left out (BEHAVIOUR.md#counting). */
  readonly used: number;
  /** `idle_cur`: kept for the next request. */
  readonly idle: number;
}

/**
 * One server in the answer to `show servers conn BACKEND`, its columns by name: 3.3 has two more in the middle.
 * @returns null when that backend has no such server
 * @throws LastcallError `balancer-unreachable` when it is no such answer
 */
export function parseServerConnections(
  answer: string,
  { backend, server }: ServerName,
  reply: Reply,
): ServerConnections | null {
  const [header = '', ...lines] = answer.split('\n');
  const [, names = '', threads = ''] = HEADER.exec(header) ?? [];
  const columns = columnsOf(names.split(' '));
  if (columns === null) throw unexpected(reply, answer);
  const rows = lines
    .filter((line) => line !== '')
    .map((line) => {
      const row = line.split(' ');
      // The last column has a field for each thread.
      if (row.length !== columns.count + Number(threads)) throw unexpected(reply, line);
      return row;
    });
  const row = rows.find(([name]) => name === `${backend}/${server}`);
  if (row === undefined) return null;
  const used = parseCount(columns.field(row, 'used_cur'));
  const idle = parseCount(columns.field(row, 'idle_cur'));
  if (used === null || idle === null) throw unexpected(reply, row.join(' '));
  return { used, idle };
}

const HEADER = /^# (bkname\/svname .*) idle_per_thr\[(\d{1,4})\]$/;
