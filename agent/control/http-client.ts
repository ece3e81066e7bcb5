import { connect, type Socket } from 'node:net';
import { LastcallError } from '../system/error.ts';
import type { Clock } from '../system/clock.ts';

/**
 * One HTTP/1.0 exchange over a unix socket: a request, an answer that ends with the connection (RFC 1945). It is all
 * that the control API needs, and it spares `lastcall status` the loading of node:http, a sixth of its time.
 */
export interface HttpCall {
  readonly method: 'GET' | 'POST' | 'DELETE';
  readonly path: string;
  readonly body?: unknown;
  /** For the head of the answer, in milliseconds. */
  readonly deadlineMs: number;
}

export interface ControlReply {
  readonly status: number;
  /** The pieces of the body; it can be read once. Throws when the answer ends before its announced length. */
  readonly body: AsyncGenerator<string, void>;
  /** Ends the exchange; the reader of the body gets this error. */
  readonly end: (error: Error) => void;
}

/** The message of an error where another program listens. */
export const NO_HTTP = 'the program that answers does not speak HTTP';

const MAX_HEAD_CHARACTERS = 16 * 1024;
const HTTP = 'HTTP/1.';
const HEAD = /^HTTP\/1\.[01] (\d{3})[^\r\n]*\r\n(?:[^\r\n]+\r\n)*\r\n/;

/**
 * Sends a call and reads the head of its answer.
 * @param path the socket
 * @throws LastcallError `agent-unreachable` when the head is late or no HTTP; the system's error; the signal's reason
 */
export async function sendHttp(
  path: string,
  clock: Clock,
  { method, body, deadlineMs, ...call }: HttpCall,
  signal: AbortSignal,
): Promise<ControlReply> {
  signal.throwIfAborted();
  const socket = connect(path);
  // Code that waits for the socket gets its error there; this is for the time between.
  socket.on('error', () => undefined);
  const aborted = (): void => void socket.destroy(signal.reason as Error);
  signal.addEventListener('abort', aborted, { once: true });
  socket.once('close', () => signal.removeEventListener('abort', aborted));
  const cancel = clock.after(deadlineMs, () => {
    socket.destroy(new LastcallError('agent-unreachable', 'no answer in time'));
  });
  const sent = body === undefined ? '' : JSON.stringify(body);
  const length =
    body === undefined
      ? ''
      : `Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(sent)}\r\n`;
  socket
    .setEncoding('utf8')
    .write(`${method} ${call.path} HTTP/1.0\r\nHost: lastcall\r\n${length}\r\n${sent}`);
  try {
    return await answer(socket);
  } catch (error) {
    socket.destroy();
    throw error;
  } finally {
    cancel();
  }
}

async function answer(socket: Socket): Promise<ControlReply> {
  let text = '';
  for (;;) {
    const piece = await nextPiece(socket);
    text += piece ?? '';
    const head = HEAD.exec(text);
    if (head !== null) {
      const [whole, status] = head;
      return {
        status: Number(status),
        body: bodyOf(socket, whole, text.slice(whole.length)),
        end: (error) => void socket.destroy(error),
      };
    }
    if (piece === null || !isHttpSoFar(text) || text.length > MAX_HEAD_CHARACTERS) {
      throw new LastcallError('agent-unreachable', text === '' ? 'it hung up' : NO_HTTP);
    }
  }
}

/** A program of another kind may leave the connection open after its first words, as the master CLI of HAProxy does. */
function isHttpSoFar(text: string): boolean {
  return text.startsWith(HTTP) || HTTP.startsWith(text);
}

async function* bodyOf(socket: Socket, head: string, first: string): AsyncGenerator<string, void> {
  const announced = /\r\ncontent-length: (\d+)\r\n/i.exec(head)?.[1];
  const whole = announced === undefined ? Infinity : Number(announced);
  let length = 0;
  try {
    for (let text: string | null = first; text !== null; text = await nextPiece(socket)) {
      length += Buffer.byteLength(text);
      if (text !== '') yield text;
      // The sidecar closes the connection later than it answers.
      if (length >= whole) break;
    }
    if (whole !== Infinity && length !== whole) {
      throw new LastcallError('agent-unreachable', 'it hung up in the middle of its answer');
    }
  } finally {
    socket.destroy();
  }
}

/**
 * What has arrived, or will next; null at the end. The socket's own iterator takes 1.5 ms at its first step, a tenth of
 * what `status` adds to Node itself.
 * @throws the error with which the socket was destroyed
 */
async function nextPiece(socket: Socket): Promise<string | null> {
  for (;;) {
    const piece = socket.read() as string | null;
    if (piece !== null) return piece;
    if (socket.errored !== null) throw socket.errored;
    if (socket.readableEnded || socket.destroyed) return null;
    await changed(socket);
  }
}

const CHANGES = ['readable', 'end', 'error', 'close'] as const;

/** Until the socket has something new: data, its end, or an error. */
function changed(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      for (const change of CHANGES) socket.off(change, done);
      resolve();
    };
    for (const change of CHANGES) socket.on(change, done);
  });
}
