import { once } from 'node:events';
import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { acceptWebsocket } from '../fixtures/websocket.ts';

/** An application whose users stay: downloads that end on request, and websockets that do not end. */
export interface LastingApp {
  readonly port: number;
  /** Sends the rest of every download. */
  finish(): void;
  stop(): Promise<void>;
}

export async function startLastingApp(): Promise<LastingApp> {
  const downloads: ServerResponse[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((incoming, response) => {
    if (incoming.url !== '/download') return void response.end('ok');
    response.writeHead(200, { 'content-length': '8' }).write('half');
    downloads.push(response);
  });
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.once('close', () => sockets.delete(socket));
  });
  server.on('upgrade', acceptWebsocket);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    finish() {
      for (const response of downloads.splice(0)) response.end('half');
    },
    async stop() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** A user who stays. */
export interface Guest {
  /** Resolves when the other side has ended it, with what had come by then. */
  readonly ended: Promise<string>;
  leave(): void;
}

/** Resolves once the download has begun. */
export async function download(port: number, cookie: string): Promise<Guest> {
  const outgoing = request({ host: '127.0.0.1', port, path: '/download', agent: false, headers: { cookie } });
  outgoing.end();
  const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
  let body = '';
  response.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
  response.on('error', () => undefined);
  const ended = new Promise<string>((resolve) => response.once('close', () => resolve(body)));
  // By a reset: HAProxy takes a mere end for a client that has sent all and still reads.
  return { ended, leave: () => void outgoing.socket?.resetAndDestroy() };
}

/** Resolves once the websocket is open. */
export async function openWebsocket(port: number, cookie: string): Promise<Guest> {
  const outgoing = request({
    host: '127.0.0.1',
    port,
    agent: false,
    headers: {
      cookie,
      connection: 'Upgrade',
      upgrade: 'websocket',
      'sec-websocket-version': '13',
      'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
    },
  });
  outgoing.end();
  const [, socket] = (await once(outgoing, 'upgrade')) as [IncomingMessage, Socket];
  return guestOn(socket);
}

/** Resolves once the connection is open. */
export async function openTcp(port: number): Promise<Guest> {
  const socket = connect({ host: '127.0.0.1', port });
  await once(socket, 'connect');
  return guestOn(socket);
}

function guestOn(socket: Socket): Guest {
  let heard = '';
  socket.on('data', (chunk) => (heard += String(chunk)));
  socket.on('error', () => socket.destroy());
  const ended = new Promise<string>((resolve) => socket.once('close', () => resolve(heard)));
  return { ended, leave: () => socket.destroy() };
}
