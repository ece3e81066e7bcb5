import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { type BodyEnd, bodyEnd } from './body-end.ts';

/** A head is no longer, and no more is dropped that follows the request; one of a monitor has some hundred bytes. */
const READ_BYTES = 16_384;

/** A connection that holds one request, for an HTTP server. */
export interface RequestStream extends Duplex {
  readonly remoteAddress: string | undefined;
}

export interface RequestBounds {
  /** How much of a body is read at most; the sender of a longer one has to wait for the answer. Default: none is read. */
  readonly bodyBytes?: number;
  /** All of the request that is ever read has come. */
  readonly whole?: () => void;
}

/**
 * Reads the first request of a connection and hands it on with nothing after it: a server that is given the connection
 * itself begins every request that a segment holds, thousands of them, before it could close after the first. What
 * follows the request is read and dropped; a client that sends more than 16 KiB of that is disconnected. A head that is longer is
 * handed on as far as it is read, for the server to refuse.
 * @param onRequest given the one request, and the way back
 */
export function firstRequest(
  socket: Socket,
  onRequest: (stream: RequestStream) => void,
  { bodyBytes = 0, whole = () => undefined }: RequestBounds = {},
): void {
  let head = '';
  let isWhole = false;
  const done = (): void => {
    isWhole = true;
    whole();
  };
  let feed = (bytes: string): void => {
    // Blank lines before a request are no request.
    head = `${head}${bytes}`.replace(/^[\r\n]+/, '');
    const end = /\n\r?\n/.exec(head);
    if (end === null && head.length <= READ_BYTES) return;
    const length = Math.min(end === null ? Infinity : end.index + end[0].length, READ_BYTES + 1);
    const stream = streamOf(socket, head.slice(0, length));
    feed = afterHead(socket, stream, {
      body: bodyEnd(bodyBytes === 0 ? '' : head.slice(0, length)),
      bodyBytes,
      done,
    });
    onRequest(stream);
    feed(head.slice(length));
  };
  socket.on('error', () => undefined); // The caller hung up: `close` follows.
  socket.on('data', (chunk: Buffer) => feed(chunk.toString('latin1')));
  socket.once('end', () => {
    if (!isWhole) socket.destroy();
  });
}

interface AfterHead {
  readonly body: BodyEnd;
  readonly bodyBytes: number;
  readonly done: () => void;
}

/** Passes the body on, and drops what follows it. */
function afterHead(
  socket: Socket,
  stream: RequestStream,
  { body, bodyBytes, done }: AfterHead,
): (bytes: string) => void {
  let [room, dropped] = [bodyBytes, 0];
  if (body.over) done();
  return (bytes) => {
    let taken = 0;
    if (!body.over) {
      const piece = bytes.slice(0, room);
      taken = body.take(piece);
      room -= taken;
      if (taken > 0) stream.push(Buffer.from(piece.slice(0, taken), 'latin1'));
      if (body.over || room === 0) done();
    }
    // The rest of a body that is too long stays with its sender.
    if (!body.over) return room === 0 ? void socket.pause() : undefined;
    dropped += bytes.length - taken;
    if (dropped > READ_BYTES) socket.destroy();
  };
}

function streamOf(socket: Socket, request: string): RequestStream {
  const stream = new Duplex({
    read: () => undefined,
    write: (chunk, encoding, done) => void socket.write(chunk as Buffer, encoding, done),
    final: (done) => void socket.end(done),
    destroy(error, done) {
      socket.destroy();
      done(error);
    },
    // The answer ends the connection; the caller's end of it is not waited for.
    autoDestroy: false,
  });
  socket.once('close', () => stream.destroy());
  stream.push(Buffer.from(request, 'latin1'));
  return Object.assign(stream, { remoteAddress: socket.remoteAddress });
}
