import { afterEach, describe, expect, test } from '@jest/globals';
import axios from 'axios';
import { EventEmitter, once } from 'node:events';
import type { RequestListener } from 'node:http';
import { createServer } from 'node:net';
import { gzipSync } from 'node:zlib';
import { realClock } from '../../agent/system/clock.ts';
import { LastcallError } from '../../agent/system/error.ts';
import {
  flawOf,
  httpGet,
  MAX_BODY_BYTES,
  parseHttpUrl,
  shownUrl,
  type HttpAnswer,
} from '../../agent/system/http.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { never, refusalOf } from '../support/outcome.ts';
import { freePort } from '../support/ports.ts';
import { startStub, type StubServer } from '../support/stub-server.ts';

const stubs: StubServer[] = [];
afterEach(async () => {
  for (const stub of stubs.splice(0)) await stub.stop();
});
const stub = async (answer: RequestListener): Promise<StubServer> => {
  const server = await startStub(answer);
  stubs.push(server);
  return server;
};
const get = (url: string): Promise<HttpAnswer> =>
  httpGet(new URL(url), 30_000, { clock: realClock, signal: never });

describe('a GET', () => {
  test('answers status and body as they are, whatever the status and the type', async () => {
    const server = await stub((_request, response) => {
      response.writeHead(503, { 'content-type': 'application/json' }).end('{"a": 1}');
    });
    const answer = await get(server.url);
    expect(answer).toEqual({
      status: 503,
      body: '{"a": 1}',
      truncated: false,
      packed: null,
      delimited: true,
      setsCookie: false,
      setCookies: [],
    });
  });

  test('keeps neither its connection nor a cookie', async () => {
    const server = await stub((_request, response) => {
      response.setHeader('set-cookie', 'JSESSIONID=1').end('ok');
    });
    const closed = server.closed();
    expect(await get(server.url)).toMatchObject({ setsCookie: true });
    await closed;
    await get(server.url);
    expect(server.requests.map(({ headers }) => headers.connection)).toEqual(['close', 'close']);
    expect(server.requests[1]?.headers.cookie).toBeUndefined();
  });

  test('goes to the application and not to the proxy of the environment', async () => {
    const proxy = await stub((_request, response) => response.end('from the proxy'));
    const server = await stub((_request, response) => response.end('from the application'));
    const before = { ...process.env };
    Object.assign(process.env, { HTTP_PROXY: proxy.url, http_proxy: proxy.url });
    delete process.env['NO_PROXY'];
    delete process.env['no_proxy'];
    try {
      // What axios does by itself shows that the trap is set.
      expect((await axios.get(server.url)).data).toBe('from the proxy');
      expect((await get(server.url)).body).toBe('from the application');
    } finally {
      process.env = before;
    }
  });

  test('follows no redirect', async () => {
    const other = await stub((_request, response) => response.end('a login page'));
    const server = await stub((_request, response) => {
      response.writeHead(302, { location: other.url }).end();
    });
    expect(await get(server.url)).toMatchObject({ status: 302, body: '' });
    expect(other.requests).toEqual([]);
  });

  test('has one deadline, which a body that drips does not move', async () => {
    const clock = new ManualClock();
    const drips = new EventEmitter();
    const third = once(drips, 'third');
    const server = await stub((_request, response) => {
      response.write('x');
      let drops = 0;
      const timer = setInterval(() => {
        response.write('x');
        drops += 1;
        if (drops === 3) drips.emit('third');
      }, 10);
      response.once('close', () => clearInterval(timer));
    });
    const closed = server.closed();
    const asking = refusalOf(() => httpGet(new URL(server.url), 1_000, { clock, signal: never }));
    await third;
    clock.advance(1_000);
    expect(await asking).toMatchObject({ code: 'failed', elapsedMs: 1_000, target: server.url });
    expect((await asking).message).toBe(`${server.url}: no whole answer within 1000 ms`);
    await closed;
  });

  test('ends an endless body at 64 KiB', async () => {
    const server = await stub((_request, response) => {
      const more = (): void => {
        while (response.write('y'.repeat(10_000)));
      };
      response.on('drain', more);
      more();
    });
    const closed = server.closed();
    expect(await get(server.url)).toEqual({
      status: 200,
      body: 'y'.repeat(MAX_BODY_BYTES),
      truncated: true,
      packed: null,
      delimited: true,
      setsCookie: false,
      setCookies: [],
    });
    await closed;
  });

  test('takes a body of exactly 64 KiB whole', async () => {
    const server = await stub((_request, response) => response.end('z'.repeat(MAX_BODY_BYTES)));
    const answer = await get(server.url);
    expect(answer.truncated).toBe(false);
    expect(answer.body).toHaveLength(MAX_BODY_BYTES);
  });

  test('does not unpack a gzip bomb', async () => {
    const bomb = gzipSync(Buffer.alloc(256e6), { level: 1 });
    const server = await stub((_request, response) => {
      response.writeHead(200, { 'content-encoding': 'gzip' }).end(bomb);
    });
    const before = process.memoryUsage().rss;
    const answer = await get(server.url);
    expect(answer).toMatchObject({ truncated: true, packed: 'gzip' });
    expect(process.memoryUsage().rss - before).toBeLessThan(64e6);
  });

  test('asks for no packing, and tells what comes packed all the same', async () => {
    const server = await stub((_request, response) => {
      response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync('37'));
    });
    const answer = await get(server.url);
    expect(answer).toMatchObject({ status: 200, packed: 'gzip', delimited: true });
    expect(flawOf(answer)).toContain('packed ("gzip")');
    expect(server.requests[0]?.headers['accept-encoding']).toBe('identity');
  });

  test('fails when nothing listens', async () => {
    const error = await refusalOf(async () => get(`http://127.0.0.1:${await freePort()}/health`));
    expect(error.code).toBe('failed');
    expect(error.message).toContain('ECONNREFUSED');
    expect(error.next).toBeDefined();
  });

  test.each([
    ['the answer is cut before its end', 'HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n0'],
    ['the connection ends without an answer', ''],
    ['the answer is no HTTP', 'SSH-2.0-OpenSSH_9.2\r\n'],
  ])('fails when %s', async (_why, words) => {
    const server = createServer((socket) => socket.once('data', () => socket.end(words)));
    const port = await freePort();
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
    try {
      expect(await refusalOf(() => get(`http://127.0.0.1:${port}/`))).toMatchObject({ code: 'failed' });
    } finally {
      server.close();
    }
  });

  test('ends at once when it is aborted, before the answer and in the middle of it', async () => {
    for (const begin of ['', 'the beginning']) {
      const abort = new AbortController();
      const reason = new LastcallError('cancelled', 'not wanted any more');
      const server = await stub((_request, response) => {
        if (begin !== '') response.write(begin);
        setImmediate(() => abort.abort(reason));
      });
      const closed = server.closed();
      const asking = httpGet(new URL(server.url), 30_000, { clock: realClock, signal: abort.signal });
      await expect(asking).rejects.toBe(reason);
      await closed;
    }
  });
});

describe('a URL', () => {
  test.each([
    'data:text/plain,0',
    'file:///etc/passwd',
    'ftp://h/',
    'unix:/run/x',
    '127.0.0.1:80',
    '',
    '/health',
  ])('is refused when it is %j', async (text) => {
    expect(await refusalOf(() => parseHttpUrl(text))).toMatchObject({ code: 'config', target: text });
  });

  test('is shown without its secrets, in an error too', async () => {
    expect(shownUrl(parseHttpUrl('http://u:secret@h:81/a?token=secret'))).toBe('http://h:81/a');
    expect((await refusalOf(() => parseHttpUrl('ftp://u:secret@h/'))).message).not.toContain('secret');
    const port = await freePort();
    const error = await refusalOf(() => get(`http://u:secret@127.0.0.1:${port}/?token=secret`));
    expect(JSON.stringify([error, error.message, error.cause, error.stack])).not.toContain('secret');
  });

  test('may carry a user and a password, which are sent', async () => {
    const server = await stub((_request, response) => response.end());
    await get(server.url.replace('//', '//u:p@'));
    expect(server.requests[0]?.headers.authorization).toBe(`Basic ${Buffer.from('u:p').toString('base64')}`);
  });
});
