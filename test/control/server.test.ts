import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { once } from 'node:events';
import { lstat, mkdir, mkdtemp, readdir, readFile, rename, symlink, writeFile } from 'node:fs/promises';
import { type IncomingMessage, request } from 'node:http';
import { type Socket, connect, createServer } from 'node:net';
import { join } from 'node:path';
import { createClient } from '../../agent/control/client.ts';
import { MAX_BODY_BYTES } from '../../agent/control/routes.ts';
import { type ControlServer, openControl } from '../../agent/control/server.ts';
import type { ControlConfig } from '../../agent/config/config.ts';
import { OWN_TERMS } from '../../agent/lifecycle/model/policy.ts';
import { realClock } from '../../agent/system/clock.ts';
import { LastcallError } from '../../agent/system/error.ts';
import { ManualClock } from '../support/manual-clock.ts';
import {
  ready,
  HOLDERS,
  POOL,
  type ScriptedService,
  createScriptedService,
} from '../support/scripted-service.ts';
import { type TempDir, makeTempDir } from '../support/tempdir.ts';

interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly text: string;
}

let dir: TempDir;
let path: string;
let service: ScriptedService;
let control: ControlServer | null;

const never = new AbortController().signal;

beforeEach(async () => {
  dir = await makeTempDir();
  path = join(dir.path, 'app1.sock');
  service = createScriptedService();
  control = null;
});
afterEach(async () => {
  await control?.close();
  await dir.remove();
});

async function open(more: Partial<ControlConfig> = {}, clock = realClock): Promise<ControlServer> {
  control = await openControl({ path, mode: 0o600, group: null, ...more }, { service, clock, ready });
  return control;
}

function ask(method: string, target: string, body?: string): Promise<Answer> {
  return new Promise((done, fail) => {
    const sent = request({ socketPath: path, method, path: target, agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => (text += chunk));
      response.on('end', () => done({ status: response.statusCode ?? 0, headers: response.headers, text }));
      response.on('error', fail);
    });
    sent.on('error', fail);
    sent.end(body);
  });
}

function post(words: unknown): Promise<Answer> {
  return ask('POST', '/v1/operations', typeof words === 'string' ? words : JSON.stringify(words));
}

async function raw(bytes: string): Promise<string> {
  const socket = connect(path);
  socket.setEncoding('utf8');
  let text = '';
  socket.on('data', (chunk: string) => (text += chunk));
  socket.write(bytes);
  await once(socket, 'close');
  return text;
}

describe('The control socket', () => {
  test('has mode 0600 and leaves nothing else in its directory, which it makes with mode 0750', async () => {
    path = join(dir.path, 'run', 'app1.sock');
    await open();
    const found = await lstat(path);
    expect(found.isSocket()).toBe(true);
    expect((found.mode & 0o777).toString(8)).toBe('600');
    expect(((await lstat(join(dir.path, 'run'))).mode & 0o777).toString(8)).toBe('750');
    expect(await readdir(join(dir.path, 'run'))).toEqual(['app1.sock']);
  });

  test('takes the configured mode and group, by name or by number', async () => {
    const own = process.getgid?.() ?? 0;
    const lines = (await readFile('/etc/group', 'utf8')).split('\n').map((line) => line.split(':'));
    const group = lines.find((fields) => fields[2] === String(own))?.[0] ?? String(own);
    await open({ mode: 0o660, group });
    const found = await lstat(path);
    expect((found.mode & 0o777).toString(8)).toBe('660');
    expect(found.gid).toBe(own);
    await control?.close();
    await open({ group: String(own) });
  });

  test('refuses a group that does not exist, a path that is too long, and a path that is no socket', async () => {
    await expect(open({ group: 'no-such-group-here' })).rejects.toMatchObject({
      code: 'config',
      message: expect.stringContaining('no-such-group-here'),
    });
    const long = join(dir.path, 'x'.repeat(107 - dir.path.length));
    expect(Buffer.byteLength(long)).toBe(108);
    await expect(open({ path: long })).rejects.toMatchObject({ code: 'config' });
    await writeFile(path, 'precious');
    await expect(open()).rejects.toMatchObject({
      code: 'config',
      message: expect.stringContaining('not a socket'),
    });
    expect(await readFile(path, 'utf8')).toBe('precious');
  });

  test('works at a path of exactly 107 bytes', async () => {
    path = join(dir.path, 'x'.repeat(107 - dir.path.length - 1));
    expect(Buffer.byteLength(path)).toBe(107);
    await open();
    expect((await ask('GET', '/v1/status')).status).toBe(200);
  });

  test('does not follow a symbolic link', async () => {
    await writeFile(join(dir.path, 'target'), '');
    await symlink(join(dir.path, 'target'), path);
    await expect(open()).rejects.toMatchObject({ code: 'config' });
  });

  test('says which directory cannot be made', async () => {
    await writeFile(join(dir.path, 'file'), '');
    await expect(open({ path: join(dir.path, 'file', 'app1.sock') })).rejects.toMatchObject({
      code: 'config',
      target: join(dir.path, 'file', 'app1.sock'),
      next: expect.any(String),
    });
  });

  test('is refused while another sidecar answers there, which goes on undisturbed', async () => {
    const first = await open();
    await expect(
      openControl({ path, mode: 0o600, group: null }, { service, clock: realClock, ready }),
    ).rejects.toMatchObject({
      code: 'busy',
      message: expect.stringContaining('another sidecar'),
    });
    control = first;
    expect((await ask('GET', '/v1/status')).status).toBe(200);
  });

  test('replaces the socket of a sidecar that was killed', async () => {
    const dead = createServer();
    const home = await mkdtemp(join(dir.path, 'dead-'));
    dead.listen(join(home, 's'));
    await once(dead, 'listening');
    await rename(join(home, 's'), path);
    dead.close();
    await once(dead, 'close');
    expect((await lstat(path)).isSocket()).toBe(true);
    await open();
    expect((await ask('GET', '/v1/status')).status).toBe(200);
  });

  test('is gone after close, but a successor that stands there by then is left alone', async () => {
    const first = await open();
    await first.close();
    expect(await readdir(dir.path)).toEqual([]);

    const old = await openControl({ path, mode: 0o600, group: null }, { service, clock: realClock, ready });
    await mkdir(join(dir.path, 'away'));
    await rename(path, join(dir.path, 'away', 'old.sock'));
    await open();
    await old.close();
    expect((await ask('GET', '/v1/status')).status).toBe(200);
  });
});

test('The control socket has 256 connections at most: the oldest gives way, and the newest is answered', async () => {
  await open();
  const sockets: Socket[] = [];
  for (let count = 0; count < 256; count += 1) {
    const socket = connect(path);
    await once(socket, 'connect');
    sockets.push(socket);
  }
  const closed = once(sockets[0] as Socket, 'close');
  expect((await ask('GET', '/v1/status')).status).toBe(200);
  await closed;
  expect(sockets[255]?.destroyed).toBe(false);
  for (const socket of sockets) socket.destroy();
});

test('One request a connection: those that come behind it are not begun, whatever length it has', async () => {
  await open();
  let asked = 0;
  const status = service.status.bind(service);
  service.status = () => {
    asked += 1;
    return status();
  };
  const get = 'GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n';
  const once200 = /^HTTP\/1\.1 200 [^]*connection: close[^]*\}\n$/i;
  // More than 16 KiB of them are hung up on: with or without an answer, or with a reset.
  await Promise.allSettled([raw(get.repeat(4_000))]);
  expect(asked).toBeLessThanOrEqual(1);
  asked = 0;
  expect(await raw(get.repeat(20))).toMatch(once200);
  expect(asked).toBe(1);
  const words = JSON.stringify({ operation: 'drain' });
  const chunked = `Transfer-Encoding: chunked\r\n\r\n5;x=y\r\n${words.slice(0, 5)}\r\n${(words.length - 5).toString(16)}\r\n${words.slice(5)}\r\n0\r\nT: x\r\n\r\n`;
  for (const body of [`Content-Length: ${words.length}\r\n\r\n${words}`, chunked]) {
    const answers = await raw(`POST /v1/operations HTTP/1.1\r\nHost: x\r\n${body}${get.repeat(20)}`);
    expect(answers.match(/^HTTP\/1\.1 \d+/gm)).toEqual(['HTTP/1.1 202']);
  }
  expect(service.requests).toHaveLength(2);
  expect(asked).toBe(1);
});

describe('The control API', () => {
  test('gives the status', async () => {
    await open();
    service.show('draining', 7);
    const { status, text, headers } = await ask('GET', '/v1/status');
    expect(status).toBe(200);
    expect(headers['content-type']).toBe('application/json');
    expect(JSON.parse(text)).toEqual(service.status());
  });

  test('tells who holds the node when it is asked, and only then', async () => {
    await open();
    await ask('GET', '/v1/status');
    expect(service.holdersAsked).toBe(0);
    const { status, text } = await ask('GET', '/v1/holders');
    expect(status).toBe(200);
    expect(JSON.parse(text)).toEqual(HOLDERS);
    expect(service.holdersAsked).toBe(1);
    expect(await createClient(path, realClock).holders(never)).toEqual(HOLDERS);
  });

  test('shows the whole pool', async () => {
    await open();
    const { status, text } = await ask('GET', '/v1/pool');
    expect([status, JSON.parse(text)]).toEqual([200, POOL]);
    expect(await createClient(path, realClock).pool(never)).toEqual(POOL);
  });

  test('hands a request to the engine, with durations in milliseconds', async () => {
    await open();
    const { status, text } = await post({
      operation: 'drain',
      reason: 'deploy 41',
      timeout: '1h30m',
      onTimeout: 'hold',
      expires: '2h',
      force: true,
      fence: false,
      dryRun: false,
      by: 'cli alice@host',
    });
    expect(status).toBe(202);
    const [handed] = service.requests;
    expect(JSON.parse(text)).toEqual({ id: handed?.id, joined: false });
    expect(handed).toMatchObject({
      kind: 'drain',
      reason: 'deploy 41',
      timeoutMs: 5_400_000,
      onTimeout: 'hold',
      expiresMs: 7_200_000,
      force: true,
      fence: false,
      dryRun: false,
      by: 'cli alice@host',
    });
  });

  test('joins fifty callers of one operation and refuses fifty of another, whoever comes first', async () => {
    await open();
    const drains = Promise.all(Array.from({ length: 50 }, () => post({ operation: 'drain' })));
    const stops = Promise.all(Array.from({ length: 50 }, () => post({ operation: 'stop' })));
    const answers = [...(await drains), ...(await stops)];
    const ids = answers
      .filter(({ status }) => status === 202)
      .map(({ text }) => JSON.parse(text) as { id: string; joined: boolean; joins?: string });
    expect(new Set(ids.map(({ id }) => id)).size).toBe(50);
    const [own, ...more] = ids.filter(({ joined }) => !joined);
    expect(more).toEqual([]);
    expect(new Set(ids.flatMap(({ joins }) => joins ?? []))).toEqual(new Set([own?.id]));
    const refused = answers
      .filter(({ status }) => status === 409)
      .map(({ text }) => JSON.parse(text) as { code: string });
    expect(refused).toHaveLength(50);
    expect(refused.every(({ code }) => code === 'busy')).toBe(true);
  });

  test.each([
    ['no JSON', '{"operation":'],
    ['nothing', ''],
    ['a list', '[]'],
    ['no operation', '{}'],
    ['an unknown operation', { operation: 'explode' }],
    ['a word of the prototype', { operation: 'toString' }],
    ['an unknown word', { operation: 'drain', forse: true }],
    ['a bare number as a duration', { operation: 'drain', timeout: 30 }],
    ['a duration without a unit', { operation: 'drain', timeout: '30' }],
    ['no time at all', { operation: 'drain', timeout: '0s' }],
    ['a negative duration', { operation: 'drain', expires: '-5m' }],
    ['an unknown policy', { operation: 'drain', onTimeout: 'shrug' }],
    ['force without a reason', { operation: 'drain', force: true }],
    ['force as a text', { operation: 'drain', force: 'yes', reason: 'x' }],
    ['a stop without the fence', { operation: 'stop', fence: false }],
    ['an empty reason', { operation: 'drain', reason: ' ' }],
    ['a reason of two lines', { operation: 'drain', reason: 'a\nb' }],
    ...['\u202e', '\u200b', '\u2028', '\u{e0041}', '\u009b'].map(
      (odd) => ['a reason that turns a line', { operation: 'drain', reason: `a${odd}b` }] as const,
    ),
    ['a reason that is a novel', { operation: 'drain', reason: 'x'.repeat(501) }],
  ])('refuses %s with 400, says why, and tells the engine nothing', async (_what, words) => {
    await open();
    const { status, text } = await post(words);
    expect(status).toBe(400);
    expect(JSON.parse(text)).toEqual({ code: 'usage', message: expect.stringMatching(/.../) });
    expect(service.requests).toEqual([]);
  });

  test('answers a refusal with 409 and the result, and one that changes nothing with 200', async () => {
    await open();
    service.refuseNext('guard', 'app/app1 is the last usable server');
    const guard = await post({ operation: 'drain' });
    expect(guard.status).toBe(409);
    expect(JSON.parse(guard.text)).toMatchObject({ ok: false, code: 'guard', operation: 'drain' });
    service.refuseNext('done', 'nothing to do');
    expect((await post({ operation: 'drain' })).status).toBe(200);
  });

  test('answers 500 with the code when the engine cannot take a request', async () => {
    await open();
    service.failNext(new LastcallError('state-write', 'no space left on device'));
    const { status, text } = await post({ operation: 'drain' });
    expect(status).toBe(500);
    expect(JSON.parse(text)).toEqual({ code: 'state-write', message: 'no space left on device' });
  });

  test('tells what became of an operation', async () => {
    await open();
    const { id } = JSON.parse((await post({ operation: 'drain' })).text) as { id: string };
    expect(JSON.parse((await ask('GET', `/v1/operations/${id}`)).text)).toEqual({ state: 'running' });
    service.finish('done', { phase: 'drained' });
    const { text } = await ask('GET', `/v1/operations/${id}`);
    expect(JSON.parse(text)).toEqual({ state: 'ended', result: service.result(id) });
    expect((await ask('GET', '/v1/operations/never-heard-of')).status).toBe(404);
  });

  test.each([
    ['GET', 200],
    ['DELETE', 202],
  ])('calls no operation unknown before it knows which ones there are (%s)', async (method, status) => {
    let begin = (): void => undefined;
    const beginning = new Promise<void>((resolve) => (begin = resolve));
    const config = { path, mode: 0o600, group: null };
    control = await openControl(config, { service, clock: realClock, ready: beginning });
    const asked = ask(method, '/v1/operations/op7');
    expect((await ask('GET', '/v1/status')).status).toBe(200);
    await service.submit({ ...OWN_TERMS, id: 'op7', kind: 'drain', reason: null, by: 'test' });
    begin();
    expect((await asked).status).toBe(status);
  });

  test('cancels, unless it is unknown or too late', async () => {
    await open();
    const { id } = JSON.parse((await post({ operation: 'stop' })).text) as { id: string };
    expect((await ask('DELETE', `/v1/operations/${id}`)).status).toBe(202);
    expect(service.cancelled).toEqual([`${id} by control`]);
    expect((await ask('DELETE', '/v1/operations/other')).status).toBe(404);
    service.tooLate();
    expect((await ask('DELETE', `/v1/operations/${id}`)).status).toBe(409);
  });

  test.each([
    ['GET', '/', 404],
    ['GET', '/v1/status/', 404],
    ['GET', '/v1/operations/../status', 404],
    ['GET', '/v1/operations/%00', 404],
    ['PUT', '/v1/status', 405],
    ['GET', '/v1/operations', 405],
    ['POST', '/v1/holders', 405],
    ['POST', '/v1/events', 405],
  ])('answers %s %s with %i and a JSON error', async (method, target, expected) => {
    await open();
    const { status, text, headers } = await ask(method, target);
    expect(status).toBe(expected);
    expect(JSON.parse(text)).toEqual({ code: 'usage', message: expect.any(String) });
    if (expected === 405) expect(headers.allow).toMatch(/^[A-Z, ]+$/);
  });

  test('reads no more than its limit of a body, whatever length is announced', async () => {
    await open();
    const whole = await post({ operation: 'drain', by: 'x'.repeat(MAX_BODY_BYTES) });
    expect(whole.status).toBe(413);
    expect(JSON.parse(whole.text)).toMatchObject({ code: 'usage' });
    const chunk = `8000\r\n${' '.repeat(0x8000)}\r\n`;
    const endless = await raw(
      `POST /v1/operations HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n${chunk.repeat(3)}`,
    );
    expect(endless).toMatch(/^HTTP\/1\.1 413 /);
    expect(service.requests).toEqual([]);
  });

  test('survives garbage, and goes on answering others', async () => {
    await open();
    expect(await raw('\0\u0001\u0002 nonsense\r\n\r\n')).toMatch(/^HTTP\/1\.1 400 /);
    expect(await raw(`GET /v1/status HTTP/1.1\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`)).toMatch(
      /^HTTP\/1\.1 431 /,
    );
    const half = connect(path);
    half.write('POST /v1/operations HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{');
    half.end();
    half.resume();
    await once(half, 'close');
    expect((await ask('GET', '/v1/status')).status).toBe(200);
    expect(service.requests).toEqual([]);
  });
});

describe('The stream of events', () => {
  test('begins with the status and goes on with every change and result', async () => {
    await open();
    const aborter = new AbortController();
    const events = createClient(path, realClock).events(aborter.signal);
    expect(await events.next()).toMatchObject({ value: { event: 'status', data: { phase: 'serving' } } });
    await post({ operation: 'drain' });
    expect(await events.next()).toMatchObject({ value: { event: 'status', data: { phase: 'draining' } } });
    service.finish('done', { phase: 'drained' });
    expect(await events.next()).toMatchObject({ value: { event: 'status', data: { phase: 'drained' } } });
    expect(await events.next()).toMatchObject({ value: { event: 'result', data: { code: 'done' } } });
    const rest = events.next();
    aborter.abort(new LastcallError('interrupted', 'enough'));
    await expect(rest).rejects.toMatchObject({ code: 'interrupted' });
  });

  test('stops listening to the engine when the reader leaves', async () => {
    // With this clock no keep-alive is written to the reader, by which its end would be noticed.
    await open({}, new ManualClock());
    const events = createClient(path, realClock).events(never);
    await events.next();
    expect(service.listeners).toBe(1);
    const [socket] = await Promise.all([serverSees('close'), events.return()]);
    expect(socket).toBe('close');
    expect(service.listeners).toBe(0);
  });

  test('says that it is alive when there is nothing to say', async () => {
    const clock = new ManualClock();
    await open({}, clock);
    const socket = await listener();
    const silence = once(socket, 'data');
    clock.advance(15_000);
    expect(String(await silence)).toContain(': still here\n\n');
    const again = once(socket, 'data');
    clock.advance(15_000);
    expect(String(await again)).toContain(': still here\n\n');
    socket.destroy();
  });

  test('drops a reader who does not read, instead of keeping everything for him', async () => {
    await open();
    const slow = await listener();
    slow.pause();
    const before = process.memoryUsage().arrayBuffers + process.memoryUsage().heapUsed;
    let shown = 0;
    while (service.listeners > 0 && shown < 100_000) {
      for (let burst = 0; burst < 100; burst++) service.show('draining', shown++);
      await new Promise(setImmediate);
    }
    expect(service.listeners).toBe(0);
    const grown = process.memoryUsage().arrayBuffers + process.memoryUsage().heapUsed - before;
    expect(grown).toBeLessThan(100 * 1024 * 1024);
    slow.destroy();
    expect((await ask('GET', '/v1/status')).status).toBe(200);
  });

  test('is read by 64 at most: the one who has read for longest is sent away, and may come again', async () => {
    await open();
    const first = await listener();
    const sent: string[] = [];
    first.on('data', (chunk: Buffer) => void sent.push(chunk.toString()));
    const ended = once(first, 'end');
    const others: Socket[] = [];
    for (let count = 0; count < 64; count += 1) others.push(await listener());
    // Between the end of a stream and its close nothing is written to it.
    service.show('draining', 1);
    await ended;
    expect(sent.join('')).not.toContain('draining');
    expect(service.listeners).toBe(64);
    for (const socket of [first, ...others]) socket.destroy();
    await serverSees('close');
  });

  test('ends when the sidecar closes', async () => {
    const opened = await open();
    const events = createClient(path, realClock).events(never);
    await events.next();
    control = null;
    await Promise.all([opened.close(), expect(events.next()).resolves.toMatchObject({ done: true })]);
  });

  /** A raw reader of the stream that has got the first event. */
  async function listener(): Promise<Socket> {
    const socket = connect(path);
    socket.write('GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n');
    let text = '';
    while (!text.includes('event: status')) text += String((await once(socket, 'data'))[0]);
    return socket;
  }

  /** The engine's listener is taken off in the same turn in which the server sees the reader leave. */
  async function serverSees(what: 'close'): Promise<'close'> {
    while (service.listeners > 0) await new Promise(setImmediate);
    return what;
  }
});
