import { afterEach, expect, test } from '@jest/globals';
import { readFile } from 'node:fs/promises';
import { createServer as createHttpServer } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { createServer, type Server } from 'node:net';
import { createEtcdLock } from '../../agent/fleet/etcd/etcd-lock.ts';
import { realClock } from '../../agent/system/clock.ts';
import { createAuthority } from '../support/certificates.ts';
import { memoryLog } from '../support/memory-log.ts';
import { never, refusalOf } from '../support/outcome.ts';
import { freePort } from '../support/ports.ts';
import { makeTempDir } from '../support/tempdir.ts';

/** What the message of a lock says where etcd's certificate is not known, or one of ours is asked for. */

let server: Server | undefined;
afterEach(() => void server?.close());

async function refusalOver(scheme: 'http' | 'https', started: Server): Promise<string> {
  server = started;
  const port = await freePort();
  await new Promise<void>((resolve) => started.listen(port, '127.0.0.1', resolve));
  const lock = createEtcdLock({ endpoints: [`${scheme}://127.0.0.1:${port}`], ttlMs: 5_000 }, 'app', {
    clock: realClock,
    log: memoryLog(),
  });
  const { code, message } = await refusalOf(() => lock.look(never));
  await lock.close();
  expect([code, message.split('\n')]).toEqual(['locked', [message]]);
  return message;
}

test('a certificate of an authority that Node does not know: how it is named', async () => {
  const temp = await makeTempDir();
  const authority = await createAuthority(temp.path, 'etcd');
  const { cert, key } = await authority.issue('server', 'IP:127.0.0.1');
  const files = { cert: await readFile(cert), key: await readFile(key) };
  await temp.remove();
  expect(await refusalOver('https', createHttpsServer(files))).toMatch(
    /unable to .*certificate.*: .*NODE_EXTRA_CA_CERTS/,
  );
});

/** A record of TLS 1.2: alert, fatal, bad_certificate (RFC 5246, 7.2). Go, and so etcd, answers a client without one so. */
const BAD_CERTIFICATE = Buffer.from([21, 3, 3, 0, 2, 2, 42]);

test('a client certificate is asked for: who sends one', async () => {
  const asks = createServer((socket) => socket.once('data', () => socket.end(BAD_CERTIFICATE)));
  expect(await refusalOver('https', asks)).toMatch(
    /: TLS: \S+ alert bad certificate: .*client certificate, which an HAProxy in front of it/,
  );
});

test('a client certificate with a name, where users are in force: that these are not supported', async () => {
  // As etcd 3.4 to 3.6 writes it (`ServeHTTP` in embed/serve.go).
  const words = 'CommonName of client sending a request against gateway will be ignored and not used';
  const names = createHttpServer((_request, response) => response.writeHead(400).end(`${words}\n`));
  expect(await refusalOver('http', names)).toMatch(/CommonName of client.*users and roles are not supported/);
});
