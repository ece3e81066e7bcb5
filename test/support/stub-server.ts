import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A small HTTP server that answers as the test sets. */
export interface StubServer {
  readonly url: string;
  readonly port: number;
  /** What it was asked, in order. */
  readonly requests: readonly IncomingMessage[];
  /** Connections open now, and the most there ever were at once. */
  readonly open: number;
  readonly mostOpen: number;
  /** Resolves when the next connection is closed, by either side. */
  closed(): Promise<void>;
  stop(): Promise<void>;
}

/** @param at the port to listen on; 0: any that is free */
export async function startStub(answer: RequestListener, at = 0): Promise<StubServer> {
  const requests: IncomingMessage[] = [];
  const watchers = new Set<() => void>();
  let open = 0;
  let mostOpen = 0;
  const server = createServer((request, response) => {
    requests.push(request);
    answer(request, response);
  });
  server.on('connection', (socket) => {
    open += 1;
    mostOpen = Math.max(mostOpen, open);
    socket.once('close', () => {
      open -= 1;
      for (const watcher of watchers) watcher();
      watchers.clear();
    });
  });
  server.listen(at, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/`,
    port,
    requests,
    get open() {
      return open;
    },
    get mostOpen() {
      return mostOpen;
    },
    closed: () => new Promise((resolve) => watchers.add(resolve)),
    async stop() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
