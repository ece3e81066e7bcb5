import { afterEach, describe, expect, test } from '@jest/globals';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { createHttpListener, type HttpListener, type HttpReply } from '../../agent/system/http-listener.ts';
import { askHttp } from '../support/ask-http.ts';
import { ManualClock } from '../support/manual-clock.ts';

const clock = new ManualClock();
const listeners: HttpListener[] = [];
const sockets: Socket[] = [];
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await Promise.all(listeners.splice(0).map((listener) => listener.close()));
});

const UP: HttpReply = { status: 200, type: 'text/plain', body: 'UP' };

interface Given {
  readonly allow?: readonly string[];
  readonly answer?: () => Promise<HttpReply | null>;
  readonly failures?: unknown[];
}

async function listening({
  allow = [],
  answer = async () => UP,
  failures = [],
}: Given = {}): Promise<number> {
  const listener = createHttpListener(
    { host: '127.0.0.1', port: 0, allow, key: 'listen.health' },
    { clock, failed: (error) => void failures.push(error) },
    answer,
  );
  listeners.push(listener);
  return listener.listen();
}

async function caller(port: number): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1' });
  sockets.push(socket);
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  return socket;
}

/** Resolves at the end of a connection, in whatever way it ends. */
function closing(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.once('close', () => resolve()));
}

/** What comes back for these bytes, to the end of the connection. */
async function raw(port: number, bytes: string): Promise<string> {
  const socket = await caller(port);
  socket.write(bytes);
  return text(socket).catch(() => 'reset');
}

describe('A port for monitors', () => {
  test('answers GET, HEAD and the OPTIONS that HAProxy asks by default, on any path, and closes', async () => {
    const port = await listening();
    const answer = await askHttp(port, { path: '/any/path?x' });
    expect(answer).toMatchObject({ status: 200, body: 'UP' });
    expect(answer.headers).toMatchObject({
      connection: 'close',
      'content-length': '2',
      'cache-control': 'no-store',
    });
    expect(await askHttp(port, { method: 'HEAD' })).toMatchObject({ status: 200, body: '' });
    expect(await askHttp(port, { method: 'OPTIONS' })).toMatchObject({ status: 200, body: 'UP' });
    expect(await askHttp(port, { method: 'POST' })).toMatchObject({ status: 405, body: '' });
  });

  test.each([
    'GET / HTTP/1.0\r\n\r\n',
    'OPTIONS / HTTP/1.0\r\n\r\n',
    'GET / HTTP/1.1\r\n\r\n',
    'GET /\r\n\r\n',
    '\r\n\r\nGET / HTTP/1.1\r\n\r\n',
  ])('answers what old monitors send: %j', async (bytes) => {
    expect(await raw(await listening(), bytes)).toMatch(/^HTTP\/1\.[01] 200 OK\r\n[^]*\r\n\r\nUP$/);
  });

  test('answers nothing to what is no HTTP, or has more than 8 KiB of headers', async () => {
    const port = await listening();
    expect(await raw(port, 'hello\r\n\r\n')).not.toContain('UP');
    expect(await raw(port, `GET / HTTP/1.1\r\nX: ${'x'.repeat(9_000)}\r\n\r\n`)).not.toContain('UP');
    expect(await askHttp(port)).toMatchObject({ status: 200 });
  });

  test('handles one request of a connection, however many come in one segment', async () => {
    let handled = 0;
    const port = await listening({
      answer: async () => {
        handled += 1;
        return UP;
      },
    });
    // What a segment holds, and less than a connection may send.
    const answer = await raw(port, 'GET / HTTP/1.1\r\n\r\n'.repeat(800));
    expect(answer.match(/UP/g)).toEqual(['UP']);
    expect(handled).toBe(1);
  });

  test.each(['before a request ends', 'after it'])(
    'hangs up on a caller that sends more than 16 KiB %s',
    async (when) => {
      let handled = 0;
      const port = await listening({
        answer: async () => {
          handled += 1;
          return UP;
        },
      });
      const socket = await caller(port);
      const closed = closing(socket);
      socket.write(when === 'after it' ? 'GET / HTTP/1.1\r\n\r\n'.repeat(30_000) : 'x'.repeat(20_000));
      await closed;
      expect(handled).toBeLessThanOrEqual(1);
    },
  );

  test('reads no body', async () => {
    const port = await listening();
    const answer = await raw(port, 'GET / HTTP/1.1\r\nContent-Length: 1000000\r\n\r\nxxx');
    expect(answer).toMatch(/UP$/);
  });

  test('answers the addresses of its list and hangs up on the others', async () => {
    const port = await listening({ allow: ['127.0.0.2'] });
    expect(await askHttp(port, { from: '127.0.0.2' })).toMatchObject({ body: 'UP' });
    await expect(askHttp(port, { from: '127.0.0.3' })).rejects.toThrow();
  });

  test('ends a connection after five seconds, however slowly its caller speaks', async () => {
    const port = await listening();
    const slow = await caller(port);
    const closed = closing(slow);
    slow.write('GET / HTT');
    await clock.armed(1);
    clock.advance(4_999);
    expect(slow.destroyed).toBe(false);
    clock.advance(1);
    await closed;
    expect(clock.pending).toBe(0);
  });

  test('drops the oldest of more than 256 connections and answers the newest', async () => {
    const port = await listening();
    const oldest = await caller(port);
    const closed = closing(oldest);
    for (let n = 0; n < 255; n++) await caller(port);
    expect(await askHttp(port)).toMatchObject({ body: 'UP' });
    await closed;
  });

  test('hangs up where there is nothing to answer, and after an answer that fails, which is reported', async () => {
    const failures: unknown[] = [];
    const silent = await listening({ answer: async () => null });
    await expect(askHttp(silent)).rejects.toThrow();
    const broken = await listening({ answer: () => Promise.reject(new Error('bug')), failures });
    await expect(askHttp(broken)).rejects.toThrow();
    expect(failures).toMatchObject([{ message: 'bug' }]);
  });

  test('names itself and what to do when its port is taken', async () => {
    const port = await listening();
    const own = new ManualClock();
    const second = createHttpListener(
      { host: '127.0.0.1', port, allow: [], key: 'listen.metrics' },
      { clock: own, failed: () => undefined },
      async () => UP,
    );
    const refused = second.listen();
    await own.armed();
    own.advance(1_500);
    await expect(refused).rejects.toMatchObject({
      code: 'busy',
      target: `127.0.0.1:${port}`,
      next: expect.stringContaining('listen.metrics'),
    });
  });
});
