import { createServer, type Server } from 'node:http';
import type { Socket } from 'node:net';
import type { ControlConfig } from '../config/config.ts';
import type { Service } from '../engine/service.ts';
import type { Clock } from '../system/clock.ts';
import { createCrowd } from '../system/crowd.ts';
import { sendEvents } from './events.ts';
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
  /** Resolves once the service knows which operations there are; read at each question. */
  readonly begun: Promise<void>;
}

/** A local caller sends his few words at once; who has not after this long, in milliseconds, holds a connection. */
const REQUEST_MS = 10_000;
/** How long answers under way may take once we are closing, in milliseconds. */
const CLOSING_MS = 1_000;

/**
 * Serves the control API on its unix socket.
 * @throws LastcallError `busy` when another sidecar answers there, `config` when the socket cannot be made
 */
export async function openControl(config: ControlConfig, ports: ControlPorts): Promise<ControlServer> {
  const { service, clock } = ports;
  const streams = createCrowd<() => void>('events', (oldest) => oldest());
  const server = createServer(
    { requestTimeout: REQUEST_MS, headersTimeout: REQUEST_MS, connectionsCheckingInterval: REQUEST_MS / 2 },
    (request, response) => {
      const stream = (): void => {
        const end = sendEvents(response, service, clock);
        response.once('close', () => streams.leave(end));
        streams.enter(end);
      };
      void route({ service, begun: ports.begun, stream }, request, response);
    },
  );
  const open = createCrowd<Socket>('control', (oldest) => oldest.destroy());
  server.on('connection', (socket: Socket) => {
    socket.once('close', () => open.leave(socket));
    open.enter(socket);
  });
  const unbind = await bindSocket(server, config, clock);
  return {
    path: config.path,
    async close() {
      await unbind();
      for (const end of streams.all) end();
      await closed(server, clock);
    },
  };
}

function closed(server: Server, clock: Clock): Promise<void> {
  return new Promise((done) => {
    const cancel = clock.after(CLOSING_MS, () => server.closeAllConnections());
    server.close(() => {
      cancel();
      done();
    });
  });
}
