import { describe, expect, test } from '@jest/globals';
import { connect, type Socket } from 'node:net';
import { once } from 'node:events';
import { realClock } from '../../agent/system/clock.ts';
import { TOKEN, ask, asked, clients, log, open, path, port, service } from '../support/hooks-port.ts';

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
