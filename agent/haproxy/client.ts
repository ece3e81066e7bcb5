import type { Clock } from '../system/clock.ts';
import { LastcallError } from '../system/error.ts';
import type { Address } from './address.ts';
import type { Command } from './command.ts';
import { exchangeOn, type ExchangeCall, type InteractiveConnection } from './connection.ts';
import type { ReadingPace } from './reading-pace.ts';
import type { SendCommand } from './server-reader.ts';
import { createLineSplitter } from '../system/line-splitter.ts';
import { truncated, tooLong, MOST_BYTES, throwIfNoWorker, type Reply } from './reply.ts';
import { openInteractive } from './interactive.ts';
import { createTlsSession } from './tls-session.ts';
import type { TlsFiles } from './tls.ts';

/** The most bytes of a streamed line. HAProxy writes none that is longer than its buffer (`tune.bufsize`, 16 kB). */
const MOST_LINE = 64 * 1024;

/** How much of an answer's end is kept: enough for any message of a master. */
const TAIL_CHARS = 256;

/** Sends lines to one Runtime API. */
export interface Client {
  /** The address as the user wrote it. */
  readonly target: string;
  /**
   * One line on a connection of its own, read to the end: HAProxy closes after it, and no other end is certain. A
   * standing connection would pin the worker of before a reload and take one of ten slots (BEHAVIOUR.md#runtime-api).
   * @param timeoutMs from now to the last byte, in milliseconds
   * @throws LastcallError `balancer-unreachable` | `not-permitted` (the socket's file mode), or the signal's reason
   */
  exchange(command: Command, timeoutMs: number, signal: AbortSignal): Promise<Reply>;
  /**
   * The same for an answer of any size, in constant memory: each line as it comes, blank ones too. A refusal of
   * HAProxy's comes as a line like any other (`throwRefusal` in reply.ts recognises it).
   * @param onLine a line without its newline, one character per byte; what it throws ends the exchange
   * @throws LastcallError as `exchange`, also `balancer-unreachable` when the answer did not end as HAProxy ends
   *   one (the lines seen so far then prove nothing), the signal's reason, or what `onLine` throws
   */
  stream(
    command: Command,
    onLine: (line: string) => void,
    timeoutMs: number,
    signal: AbortSignal,
  ): Promise<void>;
  /**
   * The same in the pieces in which it comes, for an answer of very many lines. `onChunk` has to check whether the
   * answer is whole.
   * @param onChunk gets a piece that is valid during the call only; returns true once it has seen enough: the
   *   connection is then closed
   * @param pace when nothing is read for a moment; missing: whatever comes is read at once
   * @throws LastcallError as `exchange`, the signal's reason, or what `onChunk` throws
   */
  streamReply(
    command: Command,
    onChunk: (chunk: Buffer) => boolean,
    timeoutMs: number,
    signal: AbortSignal,
    pace?: ReadingPace,
  ): Promise<void>;
  /**
   * Several lines to one worker, also where a reload comes between them. The connection is closed when the work is done.
   * @throws LastcallError as `exchange`, the signal's reason, or what `work` throws
   */
  session<T>(work: (ask: SendCommand) => Promise<T>, timeoutMs: number, signal: AbortSignal): Promise<T>;
}

export interface ClientPorts {
  readonly clock: Clock;
  /** For an address of `tls://`, and only there. */
  readonly tls?: TlsFiles | null;
}

/**
 * @param target the address as written, named in every error
 * @throws LastcallError `config` for `tls://` without its files
 */
export function createClient(target: string, address: Address, ports: ClientPorts): Client {
  const { clock } = ports;
  const tls = ports.tls ? { files: ports.tls, session: createTlsSession() } : null;
  if ((address.kind === 'tls') !== (tls !== null)) throw withoutFiles(target);
  return {
    target,
    async exchange(command, timeoutMs, signal) {
      const chunks: Buffer[] = [];
      let bytes = 0;
      let tail = '';
      const began = clock.now();
      const onChunk = (chunk: Buffer): void => {
        chunks.push(chunk);
        bytes += chunk.length;
        if (bytes > MOST_BYTES) throw tooLong(target, `an answer of more than ${MOST_BYTES} bytes`);
        tail = (tail + chunk.toString('latin1')).slice(-TAIL_CHARS);
        throwIfNoWorker(tail, { target, command, elapsedMs: clock.now() - began });
      };
      const call = { target, address, tls, timeoutMs, signal, clock, onChunk };
      const elapsedMs = await exchangeOn({ ...call, ...lineOf(command) });
      return { text: Buffer.concat(chunks).toString('utf8'), command, target, elapsedMs };
    },
    async stream(command, onLine, timeoutMs, signal) {
      let bytes = 0;
      let last: string | null = null;
      const take = (line: string): void => {
        last = line;
        onLine(line);
      };
      const lines = createLineSplitter(take, MOST_LINE, () =>
        tooLong(target, `a line of more than ${MOST_LINE} bytes`),
      );
      const onChunk = (chunk: Buffer): void => {
        bytes += chunk.length;
        lines.push(chunk);
      };
      const call = { target, address, tls, timeoutMs, signal, clock, onChunk };
      const elapsedMs = await exchangeOn({ ...call, ...lineOf(command) });
      if (last !== '' || lines.rest() !== '') throw truncated(bytes, { command, target, elapsedMs });
    },
    async streamReply(command, take, timeoutMs, signal, pace) {
      let begun: InteractiveConnection | null = null;
      const onBegun = (open: InteractiveConnection): void => void (begun = open);
      const onChunk = (chunk: Buffer): void => {
        if (take(chunk)) begun?.close();
      };
      const call = { target, address, tls, timeoutMs, signal, clock, onChunk, onBegun, isReused: true, pace };
      await exchangeOn({ ...call, ...lineOf(command) });
    },
    session: (work, timeoutMs, signal) =>
      openInteractive({ target, address, tls, timeoutMs, signal, clock }, work),
  };
}

function lineOf({ line, mustEnd }: Command): Pick<ExchangeCall, 'line' | 'mustEnd'> {
  return { line, mustEnd: () => mustEnd };
}

function withoutFiles(target: string): LastcallError {
  return new LastcallError('config', `${target}: tls:// and the files of \`tls\` go together`, {
    target,
    next: 'give ca, cert and key for tls://, and none for another address',
  });
}
