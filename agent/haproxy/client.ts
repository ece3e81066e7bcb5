import { connect, type Socket } from 'node:net';
import type { Clock } from '../system/clock.ts';
import { LastcallError, errnoOf, messageOf, type Code } from '../system/error.ts';
import type { Address } from './address.ts';
import type { Command } from './command.ts';
import type { Reply } from './reply.ts';

/** A row has 2 kB, a server in `show servers state` 100 bytes: room for a backend of 40,000. */
const MOST_BYTES = 4 * 1024 * 1024;

/** Sends lines to one Runtime API. */
export interface Client {
  /** The address as the user wrote it. */
  readonly target: string;
  /**
   * One line on a connection of its own, read to the end: HAProxy closes after it, and no other end is certain. A
   * standing connection would pin the worker of before a reload and take one of ten slots (haproxy-facts G, rule 10).
   * @param timeoutMs from now to the last byte, in milliseconds
   * @throws LastcallError `balancer-unreachable` | `not-permitted` (the socket's file mode), or the signal's reason
   */
  exchange(command: Command, timeoutMs: number, signal: AbortSignal): Promise<Reply>;
}

/** @param target the address as written, named in every error */
export function createClient(target: string, address: Address, ports: { readonly clock: Clock }): Client {
  const { clock } = ports;
  return {
    target,
    async exchange(command, timeoutMs, signal) {
      const start = clock.now();
      const fail = (trouble: Trouble): LastcallError => {
        const { code = 'balancer-unreachable', text, ...detail } = trouble;
        return new LastcallError(code, `${target}: ${text}`, {
          ...detail,
          target,
          elapsedMs: clock.now() - start,
        });
      };
      signal.throwIfAborted();
      if (timeoutMs <= 0) throw fail(silent(timeoutMs));
      const text = await talk({ address, line: `${command.line}\n`, timeoutMs, signal, clock, fail });
      return { text, command, target, elapsedMs: clock.now() - start };
    },
  };
}

interface Trouble {
  readonly text: string;
  readonly next: string;
  readonly code?: Code;
  readonly cause?: unknown;
}

interface Talk {
  readonly address: Address;
  readonly line: string;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  readonly clock: Clock;
  readonly fail: (trouble: Trouble) => LastcallError;
}

function talk({ address, line, timeoutMs, signal, clock, fail }: Talk): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = open(address);
    const chunks: Buffer[] = [];
    let bytes = 0;
    const settle = (act: () => void): void => {
      cancel();
      signal.removeEventListener('abort', aborted);
      socket.destroy();
      act();
    };
    const aborted = (): void => settle(() => reject(signal.reason as Error));
    const cancel = clock.after(timeoutMs, () => settle(() => reject(fail(silent(timeoutMs, bytes)))));
    signal.addEventListener('abort', aborted, { once: true });
    socket.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes > MOST_BYTES) settle(() => reject(fail(endless())));
    });
    socket.once('end', () => settle(() => resolve(Buffer.concat(chunks).toString('utf8'))));
    socket.once('error', (error) => settle(() => reject(fail(broken(error, bytes)))));
    // Never half-closed: HAProxy takes the end of what we say for the end of the session (haproxy-facts G).
    socket.write(line);
  });
}

function open(address: Address): Socket {
  return address.kind === 'unix'
    ? connect({ path: address.path })
    : connect({ host: address.host, port: address.port });
}

function silent(timeoutMs: number, bytes = 0): Trouble {
  const heard = bytes === 0 ? 'no answer' : `no end of the answer (${bytes} bytes so far)`;
  return {
    text: `${heard} within ${Math.max(0, Math.round(timeoutMs))} ms`,
    next: BUSY,
  };
}

const BUSY =
  'see whether HAProxy is frozen, or whether others hold all connections of its sockets (`stats maxconn`, 10 by default)';

function endless(): Trouble {
  return {
    text: `an answer of more than ${MOST_BYTES} bytes`,
    next: 'see that this is the `stats socket` of a HAProxy',
  };
}

const BROKEN: Readonly<Record<string, Omit<Trouble, 'cause'>>> = {
  ENOENT: {
    text: 'the socket does not exist',
    next: 'see that HAProxy runs and that its `stats socket` has this path',
  },
  ECONNREFUSED: {
    text: 'nobody listens there (connection refused)',
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

function broken(cause: Error, bytes: number): Trouble {
  const errno = errnoOf(cause) ?? '';
  const known = BROKEN[errno];
  if (known !== undefined) return { ...known, cause };
  const where = bytes === 0 ? 'the connection failed' : `the answer was cut after ${bytes} bytes`;
  return {
    text: `${where} (${errno || messageOf(cause)})`,
    next: 'see whether HAProxy runs and can be reached',
    cause,
  };
}
