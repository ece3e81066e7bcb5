import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';

/** All that is read of a connection; a request of a monitor has some hundred bytes. */
const READ_BYTES = 16_384;

/** A connection that holds one request, for an HTTP server. */
export interface RequestStream extends Duplex {
  readonly remoteAddress: string | undefined;
}

/**
 * Reads the head of the first request of a connection and hands it on with nothing after it: a server that is given the
 * connection itself begins every request that a segment holds, thousands of them, before it could close after the first.
 * What comes after the head is read and dropped; who sends more than 16 KiB is hung up on.
 * @param onRequest given the one request, and the way back
 */
export function firstRequest(socket: Socket, onRequest: (stream: RequestStream) => void): void {
  let head: string | null = '';
  let seen = 0;
  socket.on('error', () => undefined); // The caller hung up: `close` tells.
  socket.on('data', (chunk: Buffer) => {
    seen += chunk.length;
    if (seen > READ_BYTES) return void socket.destroy();
    if (head === null) return;
    // Blank lines before a request are no request.
    head = `${head}${chunk.toString('latin1')}`.replace(/^[\r\n]+/, '');
    const end = /\n\r?\n/.exec(head);
    if (end === null) return;
    const request = Buffer.from(head.slice(0, end.index + end[0].length), 'latin1');
    head = null;
    onRequest(streamOf(socket, request));
  });
}

function streamOf(socket: Socket, request: Buffer): RequestStream {
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
  stream.push(request);
  return Object.assign(stream, { remoteAddress: socket.remoteAddress });
}
