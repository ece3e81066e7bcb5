import { describe, expect, test } from '@jest/globals';
import { once } from 'node:events';
import { connect } from 'node:net';
import { createClient } from '../../agent/control/client.ts';
import { MAX_BODY_BYTES } from '../../agent/control/read-body.ts';
import { openControl } from '../../agent/control/server.ts';
import { OWN_TERMS } from '../../agent/lifecycle/model/policy.ts';
import { realClock } from '../../agent/system/clock.ts';
import { LastcallError } from '../../agent/system/error.ts';
import { HOLDERS, POOL } from '../support/scripted-answers.ts';
import { ask, never, open, path, post, raw, service, useControl } from '../support/control-socket.ts';

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

  test('joins fifty callers of one operation and refuses fifty of another, in whatever order they come', async () => {
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
    useControl(await openControl(config, { service, clock: realClock, ready: beginning }));
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

  test.each([
    [
      'two operations',
      '{"operation":"drain","operation":"stop"}',
      /the body: the JSON has the key "operation" twice/,
    ],
    [
      'two terms, one of them escaped',
      '{"operation":"drain","force":false,"reason":"x","f\\u006frce":true}',
      /"force" twice/,
    ],
    ['no JSON', '{operation: drain}', /the body: .* is no JSON/],
    ['a byte order mark', '\uFEFF{"operation":"drain"}', /is no JSON/],
  ])('refuses a body with %s', async (_what, body, why) => {
    await open();
    const answer = await ask('POST', '/v1/operations', body);
    expect({ ...answer, body: JSON.parse(answer.text) as unknown }).toMatchObject({
      status: 400,
      body: { code: 'usage', message: expect.stringMatching(why) },
    });
    expect(service.requests).toEqual([]);
  });

  test('refuses two keys of one name to unlock, and bytes that are not UTF-8', async () => {
    await open();
    const twice = await ask('POST', '/v1/unlock', '{"node":"app1","reason":"x","node":"app2"}');
    expect([twice.status, twice.text]).toEqual([400, expect.stringContaining('\\"node\\" twice')]);
    const body = Buffer.from('{"operation":"drain","reason":"gel\u00f6scht"}', 'latin1');
    const head = `POST /v1/operations HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n`;
    expect(await raw(Buffer.concat([Buffer.from(head), body]))).toMatch(
      /^HTTP\/1\.1 400 [^]*the body is not UTF-8/,
    );
    expect(service.requests).toEqual([]);
  });

  test('reads no query: what stands there would be left out in silence', async () => {
    await open();
    for (const [method, target] of [
      ['POST', '/v1/operations?dryRun=true'],
      ['GET', '/v1/status?'],
      ['DELETE', '/v1/operations/x?force=1'],
    ] as const) {
      const { status, text } = await ask(
        method,
        target,
        method === 'POST' ? '{"operation":"drain"}' : undefined,
      );
      expect([status, JSON.parse(text)]).toEqual([
        400,
        { code: 'usage', message: 'no query is read here: the body has what is asked for' },
      ]);
    }
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
