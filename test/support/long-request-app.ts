import { once } from 'node:events';
import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** An application that lets its requests wait until the test lets it answer. */
export interface HoldingApp {
  readonly port: number;
  /** The status it answers with; 200 at first. */
  status: number;
  /** Resolves once so many requests wait. */
  holding(count: number): Promise<void>;
  /** Answers all that wait. */
  release(): void;
  stop(): Promise<void>;
}

/** A request to `/check` is answered at once: that is HAProxy's. */
export async function startHoldingApp(): Promise<HoldingApp> {
  const waiting: ServerResponse[] = [];
  const watchers = new Set<() => void>();
  const server = createServer((incoming, response) => {
    if (incoming.url === '/check') return void response.writeHead(app.status).end();
    waiting.push(response);
    for (const watcher of watchers) watcher();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const app: HoldingApp = {
    port: (server.address() as AddressInfo).port,
    status: 200,
    holding: (count) =>
      new Promise((resolve) => {
        const check = (): void => {
          if (waiting.length < count) return;
          watchers.delete(check);
          resolve();
        };
        watchers.add(check);
        check();
      }),
    release() {
      for (const response of waiting.splice(0)) response.writeHead(app.status).end('held');
    },
    async stop() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return app;
}

/** What a user sees of one request: its status, or 0 when the connection ended without an answer. */
export async function visit(port: number, cookie = ''): Promise<number> {
  const outgoing = request({
    host: '127.0.0.1',
    port,
    agent: false,
    headers: cookie === '' ? {} : { cookie },
  });
  outgoing.end();
  try {
    const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
    response.resume();
    await once(response, 'end');
    return response.statusCode ?? 0;
  } catch {
    return 0;
  }
}
