import type { Client } from '../../haproxy/client.ts';
import type { Command } from '../../haproxy/command.ts';
import { createReadingPace } from '../../haproxy/reading-pace.ts';
import type { SendCommand } from '../../haproxy/server-reader.ts';
import type { Clock } from '../../system/clock.ts';

/** One socket of a HAProxy, for the time of one call. */
export interface DeadlineClient {
  readonly target: string;
  readonly ask: SendCommand;
  /** The same for an answer of any size: `Client.stream`. */
  stream(command: Command, onLine: (line: string) => void): Promise<void>;
  /** The same in pieces, with pauses for HAProxy's users: `Client.streamReply`. */
  streamReply(command: Command, onChunk: (chunk: Buffer) => boolean): Promise<void>;
  /** Several lines to one worker: `Client.session`. */
  session<T>(work: (ask: SendCommand) => Promise<T>): Promise<T>;
}

/** Until when, and who may end it before. */
export interface Deadline {
  readonly clock: Clock;
  /** On the clock, in milliseconds. */
  readonly until: number;
  readonly signal: AbortSignal;
  /** At most so long for each exchange, in milliseconds. */
  readonly eachMs?: number;
}

export function createDeadlineClient(
  client: Client,
  { clock, until, signal, eachMs = Infinity }: Deadline,
): DeadlineClient {
  const left = (): number => Math.min(until - clock.now(), eachMs);
  return {
    target: client.target,
    ask: (command) => client.exchange(command, left(), signal),
    stream: (command, onLine) => client.stream(command, onLine, left(), signal),
    streamReply: (command, onChunk) =>
      client.streamReply(command, onChunk, left(), signal, createReadingPace(clock, left())),
    session: (work) => client.session(work, left(), signal),
  };
}
