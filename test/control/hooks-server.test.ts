import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { chmod, rename, writeFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import { operate } from '../../agent/engine/operate.ts';
import { openHooksServer } from '../../agent/control/hooks-server.ts';
import { OWN_TERMS } from '../../agent/lifecycle/model/policy.ts';
import { realClock } from '../../agent/system/clock.ts';
import type { HttpListener } from '../../agent/system/http-listener.ts';
import { createListenSockets, type ListenSockets } from '../../agent/system/listen-sockets.ts';
import { askHttp } from '../support/ask-http.ts';
import { memoryLog, type MemoryLog } from '../support/memory-log.ts';
import { freePort } from '../support/ports.ts';
import { createScriptedService, type ScriptedService } from '../support/scripted-service.ts';
import { makeTempDir, type TempDir } from '../support/tempdir.ts';
import { until } from '../support/until.ts';

const TOKEN = '0123456789abcdef0123456789abcdef';
const path = '/hooks/prestop';
let dir: TempDir;
let port: number;
let service: ScriptedService;
let log: MemoryLog;
let sockets: ListenSockets;
let server: HttpListener | undefined;
let asked: number[];
const clients: Socket[] = [];
beforeEach(async () => {
  dir = await makeTempDir();
  port = await freePort();
  service = createScriptedService();
  log = memoryLog();
  sockets = createListenSockets(realClock);
  asked = [];
});
afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  await server?.close();
  server = undefined;
  await sockets.close('all');
  await dir.remove();
});

const tokenFile = (): string => join(dir.path, 'token');

async function open(options: { token?: string | null; timeoutMs?: number } = {}): Promise<void> {
  const { token = TOKEN, timeoutMs = 60_000 } = options;
  if (token !== null) await writeFile(tokenFile(), `${token}\n`, { mode: 0o600 });
  const config = { host: '127.0.0.1', port, allow: [], tokenFile: token === null ? null : tokenFile() };
  server = await openHooksServer(config, {
    clock: realClock,
    log,
    sockets,
    timeoutMs: () => timeoutMs,
    drain: (leftMs) => {
      asked.push(leftMs);
      const request = {
        ...OWN_TERMS,
        id: `p${asked.length}`,
        kind: 'drain',
        reason: 'preStop',
        by: 'prestop',
      } as const;
      return operate(service, request);
    },
  });
}

const ask = (more: { method?: string; path?: string; token?: string } = {}) =>
  askHttp(port, {
    path,
    ...more,
    headers: { authorization: `Bearer ${more.token ?? TOKEN}` },
  });

/** A caller that has sent its request, and waits. */
async function caller(): Promise<Socket> {
  const client = connect(port, '127.0.0.1');
  clients.push(client);
  client.on('error', () => undefined);
  await once(client, 'connect');
  client.write(`GET ${path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${TOKEN}\r\n\r\n`);
  return client;
}

describe('GET and POST /hooks/prestop', () => {
  test('wait for one drain, and get its result', async () => {
    await open();
    const answers = [ask(), ask({ method: 'POST' }), ask({ path: `${path}?pod=app-0` })];
    await log.next(() => log.records.filter(({ message }) => message.includes('waits until')).length === 3);
    await service.submitted(1);
    service.finish('done', { phase: 'drained' });
    for (const { status, body, headers } of await Promise.all(answers)) {
      expect({ status, type: headers['content-type'] }).toEqual({ status: 200, type: 'application/json' });
      expect(JSON.parse(body)).toMatchObject({ ok: true, code: 'done', id: 'p1', phase: 'drained' });
    }
    expect(asked).toEqual([60_000]);
  });

  test('answer 503 with the result where the node is not drained', async () => {
    await open();
    const answer = ask();
    await service.submitted(1);
    service.finish('deadline', { phase: 'draining', message: 'why' });
    const { status, body } = await answer;
    expect({ status, result: JSON.parse(body) as object }).toMatchObject({
      status: 503,
      result: { ok: false, code: 'deadline', message: 'why' },
    });
  });

  test('ask again after a refusal that may pass, with the time that is left', async () => {
    await open();
    service.refuseNext('held', 'app/app1 is held');
    const answer = ask();
    await service.submitted(1);
    service.refuseNext('held', 'app/app1 is held');
    await service.submitted(3);
    service.finish('done');
    expect((await answer).status).toBe(200);
    expect(asked[0]).toBe(60_000);
    expect(asked[2]).toBeLessThan(60_000);
    const warnings = log.records.filter(({ level }) => level === 'warn');
    expect(warnings.map(({ fields }) => fields)).toEqual([{ code: 'held', why: 'app/app1 is held' }]);
  });

  test('give up when the time is over', async () => {
    await open({ timeoutMs: 1 });
    service.refuseNext('held', 'app/app1 is held');
    const first = ask();
    await service.submitted(1);
    const early = await Promise.race([first, service.submitted(2).then(() => 'asked again' as const)]);
    if (early === 'asked again') service.finish('deadline');
    expect((await first).status).toBe(503);
  });

  test('by a caller that leaves withdraw nothing, and nothing is asked again for it', async () => {
    await open();
    const client = await caller();
    await service.submitted(1);
    client.destroy();
    const other = ask();
    await log.next(() => log.records.filter(({ message }) => message.includes('waits until')).length === 2);
    expect(service.cancelled).toEqual([]);
    service.finish('done');
    expect((await other).status).toBe(200);
    expect(asked).toHaveLength(1);

    service.refuseNext('held', 'no');
    const leaving = await caller();
    await service.submitted(2);
    // A half-closed connection is a caller that has left, too.
    leaving.end();
    await once(leaving, 'close');
    const next = ask();
    await service.submitted(3);
    service.finish('done');
    expect((await next).status).toBe(200);
  });

  test('wait longer than any caller may take to send its request', async () => {
    await open();
    const answer = ask();
    await service.submitted(1);
    await new Promise((resolve) => realClock.after(6_000, () => resolve(undefined)));
    service.finish('done');
    expect((await answer).status).toBe(200);
  }, 20_000);

  test('100 at once are one request', async () => {
    await open();
    const answers = Array.from({ length: 100 }, () => ask());
    await log.next(() => log.records.filter(({ message }) => message.includes('waits until')).length === 100);
    service.finish('done');
    const all = await Promise.all(answers);
    expect(new Set(all.map(({ status, body }) => `${status} ${body}`)).size).toBe(1);
    expect(service.requests).toHaveLength(1);
  });

  test('keep their place in a flood of callers without a token', async () => {
    await open();
    const waiting = ask();
    await service.submitted(1);
    const flood = Array.from({ length: 400 }, () => {
      const client = connect(port, '127.0.0.1');
      clients.push(client);
      client.on('error', () => undefined);
      return once(client, 'connect').catch(() => undefined);
    });
    await Promise.all(flood);
    const wrong = await ask({ token: 'wrong' });
    expect(wrong.status).toBe(401);
    service.finish('done');
    expect((await waiting).status).toBe(200);
  });

  test.each([
    ['another path', 404, { path: '/hooks/other' }],
    ['its root', 404, { path: '/' }],
    ['another method', 405, { method: 'DELETE' }],
    ['a HEAD', 405, { method: 'HEAD' }],
  ])('are all that is answered: %s', async (_what, status, more) => {
    await open();
    expect((await ask(more)).status).toBe(status);
    expect(service.requests).toEqual([]);
  });
});

describe('The token', () => {
  test.each([
    ['none', undefined],
    ['a wrong one', `Bearer ${TOKEN.replace('0', '1')}`],
    ['a part of it', `Bearer ${TOKEN.slice(1)}`],
    ['an empty one', 'Bearer '],
    ['another scheme', `Basic ${TOKEN}`],
    ['two', `Bearer ${TOKEN} ${TOKEN}`],
  ])('%s is refused', async (_what, authorization) => {
    await open();
    const answer = await askHttp(port, {
      path,
      headers: authorization === undefined ? {} : { authorization },
    });
    expect(answer.status).toBe(401);
    expect(answer.headers['www-authenticate']).toBe('Bearer');
    expect(answer.body).not.toContain(TOKEN);
    expect(service.requests).toEqual([]);
    expect(log.records).toMatchObject([{ level: 'warn', fields: { address: '127.0.0.1', refused: 1 } }]);
    expect(JSON.stringify(log.records)).not.toContain(TOKEN.slice(2));
  });

  test('is asked for where the configuration names one, whatever the scheme is written like', async () => {
    await open({ token: null });
    const answer = askHttp(port, { path });
    await service.submitted(1);
    service.finish('done');
    expect((await answer).status).toBe(200);
    await server?.close();
    await open();
    const other = askHttp(port, { path, headers: { authorization: `bearer  ${TOKEN}` } });
    await service.submitted(2);
    service.finish('done');
    expect((await other).status).toBe(200);
  });

  test('may be another one from now on; while its file cannot be read, the one of before counts', async () => {
    await open();
    await rename(tokenFile(), `${tokenFile()}.old`);
    const before = await until('the file is missed', async () => {
      const answer = await askHttp(port, { path: '/', headers: { authorization: `Bearer ${TOKEN}` } });
      return log.records.some(({ level }) => level === 'error') ? answer : undefined;
    });
    expect(before.status).toBe(404);
    const next = TOKEN.split('').reverse().join('');
    await writeFile(tokenFile(), next, { mode: 0o600 });
    await until('the new one counts', async () => (await ask({ path: '/', token: next })).status === 404);
    expect((await ask({ path: '/' })).status).toBe(401);
  });

  test.each([
    ['short', 'secret', 0o600, 'fewer than 16 characters'],
    ['of two words', `${TOKEN} ${TOKEN}`, 0o600, 'holds a blank'],
    ['that another user may change', TOKEN, 0o660, 'may change it'],
  ])('is no token: one %s', async (_what, token, mode, why) => {
    await writeFile(tokenFile(), token);
    await chmod(tokenFile(), mode);
    const opening = openHooksServer(
      { host: '127.0.0.1', port, allow: [], tokenFile: tokenFile() },
      { clock: realClock, log, sockets, timeoutMs: () => 1, drain: () => Promise.reject(new Error('none')) },
    );
    await expect(opening).rejects.toMatchObject({ code: 'config', message: expect.stringContaining(why) });
    await expect(opening).rejects.toMatchObject({ message: expect.not.stringContaining(token) });
  });

  test('whose file is missing keeps the sidecar from starting', async () => {
    const config = { host: '127.0.0.1', port, allow: [], tokenFile: tokenFile() };
    const ports = { clock: realClock, log, sockets, timeoutMs: () => 1 };
    await expect(
      openHooksServer(config, { ...ports, drain: () => Promise.reject(new Error('none')) }),
    ).rejects.toMatchObject({
      code: 'config',
      target: tokenFile(),
      message: expect.stringContaining('ENOENT'),
    });
  });
});
