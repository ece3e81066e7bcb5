import { connect, type OnReadOpts, type Socket } from 'node:net';
import type { Clock } from '../system/clock.ts';
import { LastcallError, errnoOf, messageOf } from '../system/error.ts';
import type { Address } from './address.ts';
import type { ConnectError } from './connect-error.ts';
import { openTls, readTls, tlsTrouble, type Reads, type TlsFiles, type TlsMaterial } from './tls.ts';

/** One line to a HAProxy, and whatever comes back until HAProxy closes. */
export interface ExchangeCall {
  /** The address as the user wrote it, named in every error. */
  readonly target: string;
  readonly address: Address;
  /** For `tls://` only. */
  readonly tls: TlsFiles | null;
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
  /** Called once the first line is on its way. */
  readonly onBegun?: (open: InteractiveConnection) => void;
}

/** What can be done with a connection that an interactive HAProxy leaves open. */
export interface InteractiveConnection {
  send(line: string): void;
  /** Ends the call as if HAProxy had. */
  close(): void;
}

/**
 * Resolves at the end of the connection, with the time it took in milliseconds.
 * @throws LastcallError `balancer-unreachable` | `not-permitted` (the socket's file mode, a certificate) | `config` (a
 *   file of `tls`), the signal's reason, or what `onChunk` throws
 */
export async function exchangeOn(call: ExchangeCall): Promise<number> {
  const { target, timeoutMs, signal, clock } = call;
  const start = clock.now();
  const fail: Fail = ({ code = 'balancer-unreachable', text, ...detail }) =>
    new LastcallError(code, `${target}: ${text}`, { ...detail, target, elapsedMs: clock.now() - start });
  signal.throwIfAborted();
  if (timeoutMs <= 0) throw fail(silent(timeoutMs, 0));
  const material = call.tls && (await readTls(call.tls));
  await talk(call, material, fail);
  return clock.now() - start;
}

type Fail = (trouble: ConnectError) => LastcallError;

function talk(call: ExchangeCall, material: TlsMaterial | null, fail: Fail): Promise<void> {
  const { address, line, timeoutMs, signal, clock, onChunk, isReused = false } = call;
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
    const socket = open(address, material, isReused ? { onread: intoOneBuffer(take) } : {});
    const settle = (act: () => void): void => {
      cancel();
      signal.removeEventListener('abort', aborted);
      socket.destroy();
      act();
    };
    const aborted = (): void => settle(() => reject(signal.reason as Error));
    const cancel = clock.after(timeoutMs, () => settle(() => reject(fail(silent(timeoutMs, bytes)))));
    signal.addEventListener('abort', aborted, { once: true });
    if (isReused) socket.resume();
    else socket.on('data', take);
    socket.once('end', () => settle(resolve));
    socket.once('error', (error) => settle(() => reject(fail(broken(error, bytes, call.tls !== null)))));
    // Never half-closed: HAProxy takes the end of our input for the end of the session (BEHAVIOUR.md#runtime-api).
    const send = (next: string): void => void (socket.destroyed || socket.write(`${next}\n`));
    send(line);
    call.onBegun?.({ send, close: () => settle(resolve) });
  });
}

const ONE_BUFFER_BYTES = 256 * 1024;

function intoOneBuffer(take: (chunk: Buffer) => void): OnReadOpts {
  const buffer = Buffer.allocUnsafe(ONE_BUFFER_BYTES);
  return { buffer, callback: (bytes) => (take(buffer.subarray(0, bytes)), true) };
}

function open(address: Address, material: TlsMaterial | null, reads: Reads): Socket {
  if (address.kind === 'unix') return connect({ path: address.path, ...reads });
  const { host, port } = address;
  return material === null ? connect({ host, port, ...reads }) : openTls(host, port, material, reads);
}

function silent(timeoutMs: number, bytes: number): ConnectError {
  const heard = bytes === 0 ? 'no answer' : `no end of the answer (${bytes} bytes so far)`;
  return {
    text: `${heard} within ${Math.max(0, Math.round(timeoutMs))} ms`,
    next: BUSY,
  };
}

const BUSY =
  'see whether HAProxy is frozen, or whether others hold all connections of its sockets (`stats maxconn`, 10 by default)';

const BROKEN: Readonly<Record<string, Omit<ConnectError, 'cause'>>> = {
  ENOENT: {
    text: 'the socket does not exist',
    next: 'see that HAProxy runs and that its `stats socket` has this path',
  },
  ECONNREFUSED: {
    text: 'no process listens there (connection refused)',
    next: 'start HAProxy, or see that its `stats socket` has this address',
  },
  // A unix socket whose queue of connections is full (connect(2)).
  EAGAIN: { text: 'it takes no more connections', next: BUSY },
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
