import type { Command } from '../../haproxy/command.ts';
import type { ServerName } from '../../haproxy/names.ts';
import { throwRefusal, unexpected } from '../../haproxy/reply.ts';
import { parseStream, type StreamLine } from '../../haproxy/replies/show-sess.ts';
import type { DeadlineClient } from './deadline-client.ts';

/**
 * Each stream of one server in an answer that holds `show sess`, as it comes and in constant memory.
 * @param onBefore each line of the answer before it, where another command of the same line was asked first
 * @throws LastcallError as the exchange, `not-permitted` below level operator, and `balancer-unreachable` for a line
 *   that cannot be read
 */
export function eachStream(
  client: DeadlineClient,
  command: Command,
  name: ServerName,
  onStream: (stream: StreamLine) => void,
  onBefore?: (line: string) => void,
): Promise<void> {
  const asked = { command, target: client.target, elapsedMs: 0 };
  // A line holds its client's address, which is private.
  const unreadable = (text: string): Error => unexpected(asked, text.replace(/ src=\S+/, ''));
  let isBefore = onBefore !== undefined;
  return client.stream(command, (line) => {
    throwRefusal(line, asked);
    if (isBefore) {
      isBefore = line !== '';
      onBefore?.(line);
    } else if (line !== '') {
      const stream = parseStream(line, name, unreadable);
      if (stream !== null) onStream(stream);
    }
  });
}

/** Keeps the first `most` of many, in constant memory. */
export interface TopN<T> {
  add(one: T): void;
  readonly all: readonly T[];
}

/** @param compare as for Array.sort: the smallest are kept, in that order */
export function createTopN<T>(most: number, compare: (one: T, other: T) => number): TopN<T> {
  const all: T[] = [];
  return {
    all,
    add(one) {
      const last = all.at(-1);
      if (most === 0 || (all.length >= most && last !== undefined && compare(one, last) >= 0)) return;
      let from = 0;
      for (let to = all.length; from < to;) {
        const middle = (from + to) >> 1;
        if (compare(all[middle] as T, one) <= 0) from = middle + 1;
        else to = middle;
      }
      all.splice(from, 0, one);
      if (all.length > most) all.pop();
    },
  };
}
