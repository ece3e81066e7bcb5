import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { makeTempDir } from './tempdir.ts';

/** Something that listens where a Runtime API should, and behaves as no HAProxy does on purpose. */
export interface FakeHaproxy {
  readonly path: string;
  /** Every byte that came, by connection. */
  readonly received: readonly string[];
  /** Every line that came, in order, but for `prompt`. */
  readonly lines: readonly string[];
  /** Resolves once `count` connections were closed by the other side or by us. */
  closed(count: number): Promise<void>;
  stop(): Promise<void>;
}

/** Connections that sent `prompt`: HAProxy leaves them open. */
const interactive = new WeakSet<Socket>();

/**
 * Gives an answer as HAProxy does: and the end of the connection, or a prompt after each part of it.
 * @param text as it comes on a connection of its own
 */
export function answerOn(socket: Socket, text: string): void {
  if (!interactive.has(socket)) return void socket.end(text);
  for (const part of text.split(/(?<=\n\n)/)) socket.write(`${part}> `);
}

/**
 * The same as HAProxy 3.2 and later do it: one prompt for a line, however many commands it holds.
 * @param text as it comes on a connection of its own
 */
export function answerLineOn(socket: Socket, text: string): void {
  if (interactive.has(socket)) socket.write(`${text}> `);
  else socket.end(text);
}

/** An answer without an end, and without a line's end, for as long as the client reads it. */
export function pourOn(socket: Socket): void {
  if (!socket.destroyed) socket.write('x'.repeat(65_536), () => pourOn(socket));
}

/** @param answer called with each line as it comes but `prompt`, and the connection to answer on */
export async function startFake(answer: (line: string, socket: Socket) => void): Promise<FakeHaproxy> {
  const temp = await makeTempDir();
  const path = join(temp.path, 'fake.sock');
  const received: string[] = [];
  const lines: string[] = [];
  const open = new Set<Socket>();
  const watchers = new Set<() => void>();
  let closed = 0;
  const server = createServer((socket) => {
    const index = received.push('') - 1;
    open.add(socket);
    socket.setEncoding('utf8');
    socket.on('data', (chunk: string) => {
      received[index] += chunk;
      if (!chunk.endsWith('\n')) return;
      const line = chunk.trimEnd();
      if (line === 'prompt') {
        interactive.add(socket);
        return answerOn(socket, '\n');
      }
      lines.push(line);
      answer(line, socket);
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
    lines,
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
