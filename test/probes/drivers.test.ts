import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { gzipSync } from 'node:zlib';
import { once } from 'node:events';
import type { RequestListener } from 'node:http';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import type { HttpProbeConfig, ProbeConfig } from '../../agent/config/config.ts';
import { createProbe } from '../../agent/probes/create.ts';
import type { Probe } from '../../agent/probes/probe.ts';
import { isItself } from '../../agent/system/tcp.ts';
import { realClock, type Clock } from '../../agent/system/clock.ts';
import { probeContract } from '../contract/probe.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { never, refusalOf } from '../support/outcome.ts';
import { freePort } from '../support/ports.ts';
import { fixture, openRollCall, type Present, type RollCall } from '../support/fixture-reports.ts';
import { spawnQuiet } from '../support/spawn-quiet.ts';
import { startStub, type StubServer } from '../support/stub-server.ts';
import { driven } from '../support/driven.ts';

let roll: RollCall;
const stubs: StubServer[] = [];
const sockets: Socket[] = [];
beforeEach(async () => {
  roll = await openRollCall();
});
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const stub of stubs.splice(0)) await stub.stop();
  await roll.close();
});

const stub = async (answer: RequestListener): Promise<StubServer> => {
  const server = await startStub(answer);
  stubs.push(server);
  return server;
};
const probe = (how: ProbeConfig['how'], clock: Clock = realClock, warnings: string[] = []): Probe =>
  createProbe(
    { how, everyMs: 2_000, timeoutMs: 20_000, rise: 2, fall: 3 },
    { clock, onWarning: (text) => warnings.push(text) },
  );
const http = (url: string, more: Partial<HttpProbeConfig> = {}): HttpProbeConfig => ({
  kind: 'http',
  url,
  healthy: [200],
  signOut: { status: [404], body: 'SIGNOUT' },
  headers: {},
  ...more,
});
const tcp = (port: number): ProbeConfig['how'] => ({ kind: 'tcp', host: '127.0.0.1', port });

/** A real application, frozen: the kernel still takes connections for it, until its queue is full. */
async function frozenApp(): Promise<{ port: number; app: Present }> {
  spawnQuiet(fixture('serves', roll.port));
  const app = await roll.next();
  process.kill(app.pid, 'SIGSTOP');
  return { port: Number(app.note), app };
}

async function fullQueue(): Promise<number> {
  const { port } = await frozenApp();
  // A backlog of 1 holds two connections; Linux then drops the SYN of a third one.
  for (let place = 0; place < 2; place += 1) {
    const socket = connect(port, '127.0.0.1');
    sockets.push(socket);
    await once(socket, 'connect');
  }
  return port;
}

probeContract('http', {
  healthy: async (clock) => probe(http((await stub((_request, response) => response.end())).url), clock),
  absent: async (clock) => probe(http(`http://127.0.0.1:${await freePort()}/`), clock),
  silent: async (clock) => probe(http(`http://127.0.0.1:${(await frozenApp()).port}/`), clock),
});
probeContract('tcp', {
  healthy: async (clock) => probe(tcp((await stub(() => undefined)).port), clock),
  absent: async (clock) => probe(tcp(await freePort()), clock),
  silent: async (clock) => probe(tcp(await fullQueue()), clock),
});
probeContract('command', {
  healthy: async (clock) => probe({ kind: 'command', command: ['true'] }, clock),
  absent: async (clock) => probe({ kind: 'command', command: ['/nowhere/at/all'] }, clock),
  silent: async (clock) => probe({ kind: 'command', command: fixture('ignores-term', roll.port) }, clock),
});

describe('a probe by http', () => {
  test.each([
    [200, '', 'healthy'],
    [200, 'ok SIGNOUT please', 'signed-out'],
    [503, 'SIGNOUT', 'signed-out'],
    [404, '', 'signed-out'],
    [500, '', 'unhealthy'],
    [204, '', 'unhealthy'],
  ])('reads status %i with the body %j as %s', async (status, body, kind) => {
    const server = await stub((_request, response) => response.writeHead(status).end(body));
    expect(await probe(http(server.url)).ask(never)).toMatchObject({ kind });
  });

  test('sends the headers that it is given, and follows no redirect with them', async () => {
    const elsewhere = await stub((_request, response) => response.end());
    const server = await stub(({ headers }, response) => {
      if (headers.authorization !== 'Bearer CANARY') response.writeHead(401).end();
      else if (headers.host === 'shop.example') response.end();
      else response.writeHead(307, { location: elsewhere.url }).end();
    });
    const Authorization = 'Bearer CANARY';
    const ask = (headers: Readonly<Record<string, string>>) =>
      probe(http(server.url, { headers })).ask(never);
    expect(await ask({ Host: 'shop.example', Authorization })).toEqual({ kind: 'healthy' });
    expect(await ask({})).toEqual({ kind: 'unhealthy', reason: 'status 401' });
    const moved = await ask({ Authorization });
    expect([moved.kind, JSON.stringify(moved).includes('CANARY')]).toEqual(['unhealthy', false]);
    expect(elsewhere.requests).toEqual([]);
  });

  test('reads a redirect as unhealthy, whatever it says, and follows it nowhere', async () => {
    const login = await stub((_request, response) => response.end('SIGNOUT'));
    const server = await stub((_request, response) =>
      response.writeHead(302, { location: login.url }).end('SIGNOUT'),
    );
    expect(await probe(http(server.url)).ask(never)).toEqual({
      kind: 'unhealthy',
      reason: 'status 302, a redirect, which is not followed',
    });
    expect(login.requests).toEqual([]);
    expect(await probe(http(server.url, { healthy: [302] })).ask(never)).toEqual({ kind: 'healthy' });
  });

  test('looks for no sign-out in a packed page, and does not call it healthy', async () => {
    const server = await stub((_request, response) => {
      response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync('SIGNOUT'));
    });
    expect(await probe(http(server.url)).ask(never)).toEqual({
      kind: 'unhealthy',
      reason: 'the body is packed ("gzip"), although it was asked for as it is',
    });
    const how = http(server.url, { signOut: { status: [404], body: null } });
    expect(await probe(how).ask(never)).toEqual({ kind: 'healthy' });
  });

  test('reads no sign-out where none is configured', async () => {
    const server = await stub((_request, response) => response.end('SIGNOUT'));
    const how = http(server.url, { signOut: { status: [], body: null } });
    expect(await probe(how).ask(never)).toEqual({ kind: 'healthy' });
  });

  test('reads a long page by its first 64 KiB', async () => {
    const server = await stub((_request, response) => response.end('.'.repeat(1e6)));
    expect(await probe(http(server.url)).ask(never)).toEqual({ kind: 'healthy' });
    expect(await probe(http(server.url, { healthy: [201] })).ask(never)).toEqual({
      kind: 'unhealthy',
      reason: 'status 200 (of the body only 65536 bytes were read)',
    });
  });

  test('warns once that each probe may make a session when the answer sets a cookie', async () => {
    const server = await stub((_request, response) => response.setHeader('set-cookie', 'JSESSIONID=1').end());
    const warnings: string[] = [];
    const asked = probe(http(`${server.url}?token=secret`), realClock, warnings);
    await asked.ask(never);
    await asked.ask(never);
    expect(warnings).toEqual([expect.stringContaining('Set-Cookie')]);
    expect(warnings[0]).not.toContain('secret');
  });

  test('refuses what is no URL before it is ever asked', async () => {
    expect(await refusalOf(() => probe(http('localhost:8080')))).toMatchObject({ code: 'config' });
  });
});

describe('a probe by tcp', () => {
  test('leaves no connection behind', async () => {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const accepted = once(server, 'connection') as Promise<[Socket]>;
    expect(await probe(tcp((server.address() as AddressInfo).port)).ask(never)).toEqual({ kind: 'healthy' });
    const [socket] = await accepted;
    socket.resume();
    await once(socket, 'close');
    server.close();
  });

  test('does not take its own end for the application', async () => {
    const port = await freePort();
    const socket = connect({ host: '127.0.0.1', port, localPort: port, localAddress: '127.0.0.1' });
    sockets.push(socket);
    await once(socket, 'connect');
    expect(isItself(socket)).toBe(true);
  });
});

describe('a probe by command', () => {
  test('reports what the command printed when it fails', async () => {
    const command = fixture('exits', 3, 'the queue is stuck');
    const answer = await probe({ kind: 'command', command }).ask(never);
    expect(answer).toMatchObject({ kind: 'unhealthy' });
    expect(answer).toHaveProperty('reason', expect.stringContaining('exit code 3: the queue is stuck'));
  });

  test('ends the command at its timeout', async () => {
    const clock = new ManualClock();
    const asking = probe({ kind: 'command', command: fixture('hangs', roll.port) }, clock).ask(never);
    const present = await roll.next();
    clock.advance(20_000);
    await present.gone;
    expect(await driven(clock, asking)).toMatchObject({ kind: 'unhealthy' });
  });
});
