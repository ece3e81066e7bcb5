import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer as createHttp, type RequestListener } from 'node:http';
import { createServer as createHttps } from 'node:https';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { createHookCall } from '../../agent/hooks/hook-call.ts';
import { realClock as clock } from '../../agent/system/clock.ts';
import { type Authority, type Certificate, createAuthority } from '../support/certificates.ts';
import { never, refusalOf } from '../support/outcome.ts';
import { makeTempDir, type TempDir } from '../support/tempdir.ts';

/** Servers that a webhook may meet. Its URL has a user, a password and a token in its path: none of them is shown, or sent elsewhere. */

const SECRETS = /T0KEN|us3r|passw0rd|dXMzcjpwYXNzdzByZA/;
/** For what hangs; anything else has its answer long before the other time is over. */
const [HANGS_MS, ANSWERS_MS] = [300, 10_000];
const FACTS = { variables: {}, body: { phase: 'drained' } };

const open: { server: Server; sockets: Set<Socket> }[] = [];
afterEach(async () => {
  for (const { server, sockets } of open.splice(0)) {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  }
});

async function listen(server: Server): Promise<string> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => sockets.add(socket.on('error', () => undefined)));
  open.push({ server, sockets });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** The refusal of one call: it names the host alone, in one line, within its time. */
async function refused(scheme: 'http' | 'https', host: string, timeoutMs = ANSWERS_MS): Promise<string> {
  const url = `${scheme}://us3r:passw0rd@${host}/T0KEN?key=T0KEN`;
  const hook = createHookCall({ kind: 'webhook', url, timeoutMs }, { clock, env: {}, node: 'app1' });
  const error = await refusalOf(() => hook.call(FACTS, never));
  expect(error).toMatchObject({ code: 'failed', target: host, next: expect.any(String) });
  expect(`${error.message} ${error.stack ?? ''} ${String(error.next)}`).not.toMatch(SECRETS);
  expect(error.message).not.toMatch(/[^ -~]/);
  return error.message.replaceAll(host, 'HOST');
}

describe('Another host', () => {
  test.each([301, 302, 303, 307, 308])('to which a %i redirects hears nothing', async (status) => {
    let connections = 0;
    const other = await listen(createServer(() => (connections += 1)));
    const asked: (string | undefined)[] = [];
    const redirects: RequestListener = (request, response) => {
      asked.push(request.headers.authorization);
      response.writeHead(status, { Location: `http://${other}/T0KEN` }).end();
    };
    const host = await listen(createHttp(redirects));
    expect(await refused('http', host)).toBe(`HOST answered ${status}, and no redirect is followed`);
    expect([asked.length, connections]).toEqual([1, 0]);
    expect(asked[0]).toMatch(/^Basic /);
  });
});

describe('A server that', () => {
  const raw: [string, (socket: Socket) => void, RegExp][] = [
    ['hangs up', (socket) => socket.destroy(), /^HOST: /],
    ['sends a reset', (socket) => socket.resetAndDestroy(), /^HOST: .*ECONNRESET/],
    ['speaks something else', (socket) => socket.end('220 mail ESMTP\r\n'), /^HOST: /],
    [
      'sends headers without an end',
      (socket) => dripping(socket, 'HTTP/1.1 200 OK\r\n', 'X-A: b\r\n'),
      /^HOST: /,
    ],
    [
      'sends a body without an end',
      (socket) => dripping(socket, 'HTTP/1.1 500 No\r\n\r\n', 'x'.repeat(65_536)),
      /^HOST answered 500$/,
    ],
    [
      'sends a header of 1 MiB',
      (socket) => socket.end(`HTTP/1.1 200 OK\r\nX: ${'y'.repeat(1 << 20)}\r\n\r\n`),
      /^HOST: /,
    ],
  ];
  test.each(['http', 'https'] as const)('accepts and never answers: %s', async (scheme) => {
    const host = await listen(createServer(() => undefined));
    expect(await refused(scheme, host, HANGS_MS)).toBe('HOST: no whole answer within 300 ms');
  });

  test.each(raw)('%s', async (_title, answer, expected) => {
    const host = await listen(createServer(answer));
    expect(await refused('http', host)).toMatch(expected);
  });

  test.each(raw.slice(0, 4))('%s where TLS is asked for', async (_title, answer) => {
    const host = await listen(createServer(answer));
    expect(await refused('https', host)).toMatch(/^HOST: /);
  });
});

function dripping(socket: Socket, head: string, more: string): void {
  socket.write(head);
  const send = (): void => {
    if (!socket.destroyed) socket.write(more, () => setImmediate(send));
  };
  send();
}

describe('TLS', () => {
  let dir: TempDir;
  let authority: Authority;
  const certificates: Record<string, Certificate> = {};
  beforeAll(async () => {
    dir = await makeTempDir();
    authority = await createAuthority(dir.path, 'unknown');
    certificates['right'] = await authority.issue('right', 'IP:127.0.0.1');
    certificates['other'] = await authority.issue('other', 'DNS:evil.example');
  });
  afterAll(() => dir.remove());

  const start = (name: string, options: object = {}): Promise<string> => {
    const { cert, key } = certificates[name] as Certificate;
    const files = { cert: readFileSync(cert), key: readFileSync(key) };
    return listen(
      createHttps({ ...files, ...options }, () => {
        throw new Error('a request came in');
      }),
    );
  };

  test('of an authority that is not known gets no request', async () => {
    expect(await refused('https', await start('right'))).toMatch(/^HOST: .*(?:verify|certificate|issuer)/);
  });

  test('of another name gets no request', async () => {
    expect(await refused('https', await start('other'))).toMatch(/^HOST: /);
  });

  test('of a version of long ago gets no request', async () => {
    const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' };
    expect(await refused('https', await start('right', old))).toMatch(/^HOST: TLS: /);
  });

  test('where none is asked for, and none where it is', async () => {
    expect(await refused('http', await start('right'))).toMatch(/^HOST: /);
    const plain = await listen(createHttp((_request, response) => void response.end()));
    expect(await refused('https', plain)).toMatch(/^HOST: TLS: /);
  });
});
