import { connect, type OnReadOpts, type Socket } from 'node:net';
import { sleep, type Clock } from '../system/clock.ts';
import { LastcallError, errnoOf, messageOf } from '../system/error.ts';
import { boundedLookup } from '../system/lookup.ts';
import type { Address } from './address.ts';
import type { ConnectError } from './connect-error.ts';
import type { ReadingPace } from './reading-pace.ts';
import { releaseAfterAnswer, throwIfOwed } from './release.ts';
import {
  openTls,
  readTls,
  tlsTrouble,
  type Reads,
  type TlsFiles,
  type TlsMaterial,
  type TlsSession,
} from './tls.ts';

/** One line to a HAProxy, and whatever comes back until HAProxy closes. */
export interface ExchangeCall {
  /** The address as the user wrote it, named in every error. */
  readonly target: string;
  readonly address: Address;
  /** For `tls://` only. */
  readonly tls: TlsAccess | null;
  readonly line: string;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  readonly clock: Clock;
  /** Each piece as it comes; what it throws ends the call. */
  readonly onChunk: (chunk: Buffer) => void;
  /**
   * A piece is valid during `onChunk` only: one buffer serves for all. Otherwise each has its own, and of a long answer
   * Node frees them only after 40 MB (measured on Node 22 with an answer of 110 MB).
   */
  readonly isReused?: boolean;
  /** Only where one buffer serves for all: when nothing is read for a moment. Missing: whatever comes is read at once. */
  readonly pace?: ReadingPace | undefined;
  /** Whether HAProxy may be writing an answer now that must be read to its end, even where nothing waits for it. */
  readonly mustEnd: () => boolean;
  /** The line that ends an interactive connection. */
  readonly quit?: string;
  /** Called once the first line is on its way. */
  readonly onBegun?: (open: InteractiveConnection) => void;
}

/** How a connection is encrypted. */
export interface TlsAccess {
  readonly files: TlsFiles;
  readonly session: TlsSession;
}

/** What can be done with a connection that an interactive HAProxy leaves open. */
export interface InteractiveConnection {
  send(line: string): void;
  /** Ends the call as if HAProxy had. */
  close(): void;
}

/**
 * Resolves at the end of the connection, with the time it took in milliseconds. While HAProxy's queue of connections is
 * full it tries again: not a byte has been sent then, and many sidecars that ask at one moment fill it (its length is
 * `stats maxconn`, 10 by default).
 * @throws LastcallError `balancer-unreachable` | `not-permitted` (the socket's file mode, a certificate) | `config` (a
 *   file of `tls`), the signal's reason, or what `onChunk` throws
 */
export async function exchangeOn(call: ExchangeCall): Promise<number> {
  const { target, timeoutMs, signal, clock } = call;
  const start = clock.now();
  const fail: Fail = ({ code = 'balancer-unreachable', text, ...detail }) =>
    new LastcallError(code, `${target}: ${text}`, { ...detail, target, elapsedMs: clock.now() - start });
  signal.throwIfAborted();
  if (call.mustEnd()) throwIfOwed(target);
  if (timeoutMs <= 0) throw fail(silent(timeoutMs, 0));
  const material = call.tls && (await readTls(call.tls.files));
  const until = start + timeoutMs;
  let full: ConnectError | null = null;
  for (let attempt = 0; ; attempt += 1) {
    const connectMs = (call.address.kind === 'unix' ? undefined : CONNECT_MS[attempt]) ?? Infinity;
    const leftMs = until - clock.now();
    // A machine under load may have slept beyond the end: it is the full queue that was seen last.
    if (full !== null && leftMs <= 0) throw fail(full);
    full = await talk(call, { leftMs, connectMs, before: full, material, fail });
    if (full === null) return clock.now() - start;
    const pauseMs = pauseAfter(attempt);
    if (pauseMs >= until - clock.now()) throw fail(full);
    await sleep(clock, pauseMs, signal);
  }
}

type Fail = (trouble: ConnectError) => LastcallError;

/**
 * How long each of the first attempts waits for its TCP connection; a later one takes what time is left. The kernel drops
 * the packet that opens a connection while the queue is full and repeats it after one second, and after three (tcp(7)): too late.
 */
const CONNECT_MS = [300, 500];
const FIRST_PAUSE_MS = 5;
const LONGEST_PAUSE_MS = 80;

/** The pause before the next attempt, in milliseconds; random, so that sidecars that found the queue full do not come back together. */
function pauseAfter(attempt: number): number {
  return Math.min(FIRST_PAUSE_MS * 2 ** attempt, LONGEST_PAUSE_MS) * (0.5 + Math.random());
}

/** One attempt. */
interface Attempt {
  /** For the whole attempt, in milliseconds. */
  readonly leftMs: number;
  /** For its connection. */
  readonly connectMs: number;
  /** Why the attempt before this one had no connection. */
  readonly before: ConnectError | null;
  readonly material: TlsMaterial | null;
  readonly fail: Fail;
}

/** Resolves with null at the end of the conversation, or with the trouble where HAProxy has not taken the connection. */
function talk(call: ExchangeCall, attempt: Attempt): Promise<ConnectError | null> {
  const { line, timeoutMs, signal, clock, onChunk, isReused = false, pace } = call;
  const { material, fail } = attempt;
  return new Promise((resolve, reject) => {
    let bytes = 0;
    const take = (chunk: Buffer): void => {
      bytes += chunk.length;
      try {
        onChunk(chunk);
      } catch (error) {
        settle(() => reject(error as Error));
      }
    };
    let [isSettled, cancelPause] = [false, (): void => undefined];
    const goOn = (): void => {
      pace?.resumed();
      socket.resume();
    };
    const takeInPace = (chunk: Buffer): boolean => {
      take(chunk);
      const pauseMs = isSettled ? 0 : (pace?.pauseAfter(chunk.length) ?? 0);
      if (pauseMs > 0) cancelPause = clock.after(pauseMs, goOn);
      return pauseMs <= 0;
    };
    const socket = open(call, material, isReused ? { onread: intoOneBuffer(takeInPace) } : {});
    const settle = (act: () => void): void => {
      if (isSettled) return;
      isSettled = true;
      cancel();
      cancelConnect();
      cancelPause();
      signal.removeEventListener('abort', aborted);
      if (call.mustEnd() && !socket.readableEnded) releaseAfterAnswer(socket, call.target, clock, call.quit);
      else socket.destroy();
      act();
    };
    const end = (full: ConnectError | null): void => settle(() => resolve(full));
    const aborted = (): void => settle(() => reject(signal.reason as Error));
    const late = (): ConnectError => (socket.connecting ? attempt.before : null) ?? silent(timeoutMs, bytes);
    const cancel = clock.after(attempt.leftMs, () => settle(() => reject(fail(late()))));
    const cancelConnect =
      attempt.connectMs < attempt.leftMs
        ? clock.after(attempt.connectMs, () => end(UNANSWERED))
        : () => undefined;
    signal.addEventListener('abort', aborted, { once: true });
    if (isReused) socket.resume();
    else socket.on('data', take);
    socket.once('connect', cancelConnect);
    socket.once('end', () => end(null));
    socket.once('error', (error) => {
      if (errnoOf(error) === 'EAGAIN') end(FULL);
      else settle(() => reject(fail(broken(error, bytes, call.tls !== null))));
    });
    // Never half-closed: HAProxy takes the end of our input for the end of the session (BEHAVIOUR.md#runtime-api).
    const send = (next: string): void => void (socket.destroyed || socket.write(`${next}\n`));
    send(line);
    call.onBegun?.({ send, close: () => end(null) });
  });
}

const ONE_BUFFER_BYTES = 256 * 1024;

/** @param take returns false where nothing more is to be read until the socket is resumed */
function intoOneBuffer(take: (chunk: Buffer) => boolean): OnReadOpts {
  const buffer = Buffer.allocUnsafe(ONE_BUFFER_BYTES);
  return { buffer, callback: (bytes) => take(buffer.subarray(0, bytes)) };
}

function open({ address, tls }: ExchangeCall, material: TlsMaterial | null, reads: Reads): Socket {
  if (address.kind === 'unix') return connect({ path: address.path, ...reads });
  const { host, port } = address;
  if (material === null || tls === null) return connect({ host, port, lookup: boundedLookup, ...reads });
  return openTls(host, port, material, tls.session, reads);
}

function silent(timeoutMs: number, bytes: number): ConnectError {
  if (timeoutMs <= 0) return { text: 'no time was left to ask it', next: BUSY };
  const heard = bytes === 0 ? 'no answer' : `no end of the answer (${bytes} bytes so far)`;
  return { text: `${heard} within ${Math.max(1, Math.round(timeoutMs))} ms`, next: BUSY };
}

const BUSY =
  'see whether HAProxy is frozen, or whether others hold all connections of its sockets (`stats maxconn`, 10 by default)';

/** EAGAIN of a unix socket (connect(2)): its queue of connections is full. */
const FULL: ConnectError = { text: 'it takes no more connections', next: BUSY };
/** By TCP a full queue looks like a host that is gone. */
const UNANSWERED: ConnectError = { text: 'no connection was made in time', next: BUSY };

const BROKEN: Readonly<Record<string, Omit<ConnectError, 'cause'>>> = {
  ENOENT: {
    text: 'the socket does not exist',
    next: 'see that HAProxy runs and that its `stats socket` has this path',
  },
  ECONNREFUSED: {
    text: 'no process listens there (connection refused)',
    next: 'start HAProxy, or see that its `stats socket` has this address',
  },
  EACCES: {
    code: 'not-permitted',
    text: 'this user may not use the socket (permission denied)',
    next: 'run as a member of the group of the `stats socket`, or set its `mode`, `user` and `group`',
  },
};

function broken(cause: Error, bytes: number, encrypted: boolean): ConnectError {
  const errno = errnoOf(cause) ?? '';
  const known = BROKEN[errno] ?? (encrypted ? tlsTrouble(errno) : undefined);
  if (known !== undefined) return { ...known, cause };
  const where = bytes === 0 ? 'the connection failed' : `the answer was cut after ${bytes} bytes`;
  return {
    text: `${where} (${errno || messageOf(cause)})`,
    next: 'see whether HAProxy runs and can be reached',
    cause,
  };
}
