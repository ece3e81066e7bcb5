import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { makeTempDir } from './tempdir.ts';

/** Something that listens where a Runtime API should, and behaves as no HAProxy does on purpose. */
export interface FakeHaproxy {
  readonly path: string;
  /** Every byte that came, by connection. */
  readonly received: readonly string[];
  /** Resolves once `count` connections were closed by the other side or by us. */
  closed(count: number): Promise<void>;
  stop(): Promise<void>;
}

/** @param answer called with each line as it comes, and the connection to answer on */
export async function startFake(answer: (line: string, socket: Socket) => void): Promise<FakeHaproxy> {
  const temp = await makeTempDir();
  const path = join(temp.path, 'fake.sock');
  const received: string[] = [];
  const open = new Set<Socket>();
  const watchers = new Set<() => void>();
  let closed = 0;
  const server = createServer((socket) => {
    const index = received.push('') - 1;
    open.add(socket);
    socket.setEncoding('utf8');
    socket.on('data', (chunk: string) => {
      received[index] += chunk;
      if (chunk.endsWith('\n')) answer(chunk.trimEnd(), socket);
    });
    // A client that gives up in the middle resets the connection: that is what many of these tests are about.
    socket.on('error', () => socket.destroy());
    socket.once('close', () => {
      open.delete(socket);
      closed += 1;
      for (const watcher of watchers) watcher();
    });
  });
  server.listen(path);
  await once(server, 'listening');
  return {
    path,
    received,
    closed: (count) =>
      new Promise((resolve) => {
        const check = (): void => {
          if (closed < count) return;
          watchers.delete(check);
          resolve();
        };
        watchers.add(check);
        check();
      }),
    async stop() {
      for (const socket of open) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
      await temp.remove();
    },
  };
}
