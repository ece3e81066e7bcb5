import { createServer } from 'node:http';
import { createServer as createSocketServer, type Server, type Socket } from 'node:net';
import type { ControlConfig } from '../config/config.ts';
import type { Service } from '../engine/service.ts';
import type { Clock } from '../system/clock.ts';
import { createConnectionCap } from '../system/connection-cap.ts';
import { firstRequest, type RequestStream } from '../system/first-request.ts';
import { sendEvents } from './events.ts';
import { MAX_BODY_BYTES } from './read-body.ts';
import { route } from './routes.ts';
import { bindSocket } from './bind-socket.ts';

export interface ControlServer {
  readonly path: string;
  /** Takes the socket's file away, ends the event streams, lets answers under way finish, and stops listening. */
  close(): Promise<void>;
}

export interface ControlPorts {
  readonly service: Service;
  readonly clock: Clock;
  /** Resolves once the running operations are known; read at each request. */
  readonly ready: Promise<void>;
}

/**
 * A local caller sends its short request at once; one that has not after this many milliseconds blocks a
 * connection.
 */
const REQUEST_MS = 10_000;
const HEADER_BYTES = 8_192;
/** How long answers under way may take once we are closing, in milliseconds. */
const CLOSING_MS = 1_000;

/**
 * Serves the control API on its unix socket: one request a connection.
 * @throws LastcallError `busy` when another sidecar answers there, `config` when the socket cannot be made
 */
export async function openControl(config: ControlConfig, ports: ControlPorts): Promise<ControlServer> {
  const { service, clock } = ports;
  const streams = createConnectionCap<() => void>('events', (oldest) => oldest());
  const http = createServer({ maxHeaderSize: HEADER_BYTES }, (request, response) => {
    response.setHeader('connection', 'close');
    const stream = (): void => {
      const end = sendEvents(response, service, clock);
      response.once('close', () => streams.leave(end));
      streams.enter(end);
    };
    void route({ service, ready: ports.ready, stream }, request, response);
  });
  const open = createConnectionCap<Socket>('control', (oldest) => oldest.destroy());
  const asking = new Set<Socket>();
  const server = createSocketServer({ allowHalfOpen: true }, (socket) => {
    open.enter(socket);
    asking.add(socket);
    const cancel = clock.after(REQUEST_MS, () => socket.destroy());
    const whole = (): void => {
      asking.delete(socket);
      cancel();
    };
    socket.once('close', () => {
      whole();
      open.leave(socket);
    });
    const accept = (stream: RequestStream): void => {
      // As for any HTTP server: a caller that ends its direction has left.
      socket.once('end', () => stream.push(null));
      // By then the kernel has all of the answer, and a unix socket loses none of it.
      stream.once('finish', () => socket.destroy());
      http.emit('connection', stream);
    };
    firstRequest(socket, accept, { bodyBytes: 2 * MAX_BODY_BYTES, whole });
  });
  const unbind = await bindSocket(server, config, clock);
  return {
    path: config.path,
    async close() {
      await unbind();
      for (const end of streams.all) end();
      for (const socket of asking) socket.destroy();
      await closed(server, open.all, clock);
    },
  };
}

function closed(server: Server, open: Iterable<Socket>, clock: Clock): Promise<void> {
  return new Promise((done) => {
    const cancel = clock.after(CLOSING_MS, () => {
      for (const socket of open) socket.destroy();
    });
    server.close(() => {
      cancel();
      done();
    });
  });
}
