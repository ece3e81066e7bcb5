import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

const given = new Set<number>();
/** Jest's workers run side by side, and a port is free until it is used: each draws from ports of its own. */
const WORKERS = 8;
const worker = Number(process.env['JEST_WORKER_ID'] ?? 0) % WORKERS;

/**
 * A free TCP port on 127.0.0.1. It is below Linux's ephemeral range (32768 and up), so no outgoing connection of a
 * test that runs at the same time takes it in the meantime.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = 10_240 + worker + WORKERS * randomInt((32_768 - 10_240) / WORKERS);
    if (!given.has(port) && (await isFree(port))) {
      given.add(port);
      return port;
    }
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(false);
      else reject(error);
    });
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
