import type { ServerName } from './names.ts';
import { unexpected, type Reply } from './reply.ts';
import { wholeNumber } from './stats.ts';

/** One line of `show servers conn`. */
export interface ServerConnections {
  /** `used_cur`: connections in use, those of mode tcp and those private to a client left out (haproxy-facts D). */
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
  if (!header.startsWith('# bkname/svname')) throw unexpected(reply, answer);
  const names = header.slice('# '.length).trim().split(/\s+/);
  const line = lines.find((text) => text.startsWith(`${backend}/${server} `));
  if (line === undefined) return null;
  const fields = line.trim().split(/\s+/);
  const used = wholeNumber(fields[names.indexOf('used_cur')]);
  const idle = wholeNumber(fields[names.indexOf('idle_cur')]);
  if (used === null || idle === null) throw unexpected(reply, line);
  return { used, idle };
}
