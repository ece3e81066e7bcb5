import { unexpected, withoutSeverity, type Reply } from '../reply.ts';

const HEADER = /^# table: ([^,\s]+), type: [a-z0-9]+, size:\d+, used:\d+$/;

/** The name in the line that begins a table; null when it is no such line, to its end. */
export function tableIn(line: string): string | null {
  return HEADER.exec(line)?.[1] ?? null;
}

/**
 * The names of the stick tables in the answer to `show table`; none is answered by a newline alone.
 * @throws LastcallError `balancer-unreachable` when it is no such answer
 */
export function parseTables(reply: Reply): readonly string[] {
  if (reply.text === '\n') return [];
  if (!reply.text.endsWith('\n\n')) throw unexpected(reply, reply.text);
  return reply.text
    .trimEnd()
    .split('\n')
    .map((line) => {
      const name = tableIn(line);
      if (name === null) throw unexpected(reply, line);
      return name;
    });
}

/**
 * Whether a table stores server ids, by the answer to `probeTable`: then it may bind users to servers.
 * @returns null when the answer does not show it
 */
export function storesServers(reply: Reply): boolean | null {
  const text = withoutSeverity(reply.text);
  const [header = ''] = text.split('\n', 1);
  if (tableIn(header) !== null) return text === `${header}\n\n` || null;
  return /Data type not stored in this table|^No such table/.test(text) ? false : null;
}
