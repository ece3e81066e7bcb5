import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { ipAllowlist, plainAddress } from './ip-allowlist.ts';
import type { Clock } from './clock.ts';
import { createConnectionCap } from './connection-cap.ts';
import { LastcallError } from './error.ts';
import type { ListenPlace } from './listen-error.ts';
import { firstRequest } from './first-request.ts';
import { createListenSockets, type ListenSockets } from './listen-sockets.ts';

/** From the connect to the end of the answer: a caller that sends its request slowly is not waited for. */
const CONNECTION_MS = 5_000;
const HEADER_BYTES = 8_192;
const METHODS = ['GET', 'HEAD', 'OPTIONS'];

export interface HttpListenOptions extends ListenPlace {
  /** Addresses or CIDR blocks that may connect; empty = any that reaches the port. */
  readonly allow: readonly string[];
  /** Default: GET, HEAD and OPTIONS (HAProxy's own default). */
  readonly methods?: readonly string[];
}

export interface HttpReply {
  readonly status: number;
  readonly type: string;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** The answer has left this process. */
  readonly sent?: () => void;
}

export interface HttpAsked {
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly address: string;
  /** Aborted when the caller hangs up, or its time is over. */
  readonly signal: AbortSignal;
  /** The caller is authenticated, and may wait for its answer as long as it stays: no newer connection displaces it. */
  readonly keep: () => void;
}

/** A small HTTP port: one question and one answer a connection, no body read, nothing kept. */
export interface HttpListener {
  /** @returns the port; @throws LastcallError as `ListenSockets.open` */
  listen(): Promise<number>;
  close(): Promise<void>;
}

export interface HttpListenerPorts {
  readonly clock: Clock;
  readonly failed: (error: unknown) => void;
  /** Addresses that outlive this listener; default: its own, which end with it. */
  readonly sockets?: ListenSockets;
}

/**
 * @param answer the answer to a request of one of the methods; null closes the connection without one
 * @throws LastcallError `config` for an entry of `allow` that is no address
 */
export function createHttpListener(
  options: HttpListenOptions,
  { clock, failed, sockets: shared }: HttpListenerPorts,
  answer: (asked: HttpAsked) => Promise<HttpReply | null>,
): HttpListener {
  const allowed = ipAllowlist(options.allow);
  const open = createConnectionCap<Socket>('http', (oldest) => oldest.destroy());
  const sockets = shared ?? createListenSockets(clock);
  const { methods = METHODS } = options;
  let giveUp = (): void => undefined;
  const keepers = new WeakMap<object, () => void>();
  const server = createServer(
    // Monitors of HTTP/1.0 times send no Host.
    { maxHeaderSize: HEADER_BYTES, requireHostHeader: false, keepAlive: false },
    (request, response) => {
      const keep = keepers.get(request.socket) ?? ((): void => undefined);
      serve({ request, response, methods, keep }, answer).catch((error: unknown) => {
        failed(error);
        request.socket.destroy();
      });
    },
  );
  server.on('clientError', (_error, socket) => socket.destroy());
  const accept = (socket: Socket): void => {
    if (options.allow.length > 0 && !allowed(socket.remoteAddress ?? '')) return void socket.destroy();
    const cancel = clock.after(CONNECTION_MS, () => socket.destroy());
    socket.once('close', () => {
      cancel();
      open.leave(socket);
    });
    open.enter(socket);
    firstRequest(socket, (stream) => {
      keepers.set(stream, () => {
        cancel();
        open.leave(socket);
        keepOpen(socket);
      });
      server.emit('connection', stream);
    });
  };
  return {
    async listen() {
      const port = await sockets.open(options);
      giveUp = sockets.take(options, accept);
      return port;
    },
    async close() {
      giveUp();
      if (!shared) await sockets.close('all');
    },
  };
}

/** How soon a caller whose machine is gone is noticed: by the kernel's probes of a quiet connection, in milliseconds. */
const QUIET_MS = 30_000;

/** For a long wait: a caller that ends its direction has left, and one that is gone without closing is noticed. */
function keepOpen(socket: Socket): void {
  socket.setKeepAlive(true, QUIET_MS);
  if (socket.readableEnded) socket.destroy();
  else socket.once('end', () => socket.destroy());
}

interface HttpExchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly methods: readonly string[];
  readonly keep: () => void;
}

async function serve(
  { request, response, methods, keep }: HttpExchange,
  answer: (asked: HttpAsked) => Promise<HttpReply | null>,
): Promise<void> {
  const gone = new AbortController();
  response.once('close', () => gone.abort(new LastcallError('cancelled', 'the caller has hung up')));
  // One question a connection: it would otherwise hold a place until its time is over.
  response.setHeader('Connection', 'close');
  if (!methods.includes(request.method ?? '')) {
    response.setHeader('Allow', methods.join(', ')).writeHead(405).end();
    return;
  }
  const address = plainAddress(request.socket.remoteAddress ?? '');
  const asked = { path: request.url ?? '/', headers: request.headers, address, signal: gone.signal, keep };
  const reply = await answer(asked);
  if (response.destroyed) return;
  if (reply === null) return void request.socket.destroy();
  if (reply.sent) response.once('finish', reply.sent);
  for (const [name, value] of Object.entries(reply.headers ?? {})) response.setHeader(name, value);
  response.statusCode = reply.status;
  response.setHeader('Content-Type', reply.type).setHeader('Cache-Control', 'no-store').end(reply.body);
}
