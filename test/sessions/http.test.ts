import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { ReadingConfig } from '../../agent/config/source-config.ts';
import { realClock } from '../../agent/system/clock.ts';
import { sourceContract } from '../contract/source.ts';
import { never, refusalOf } from '../support/outcome.ts';
import { freePort } from '../support/ports.ts';
import { startStub } from '../support/stub-server.ts';
import { count, refusal, sourceBy, sourceOf, stub, stubs } from '../support/http-source.ts';

sourceContract('a plain number', {
  counting: async (users, clock) =>
    sourceOf(await stub((_request, response) => response.end(`${users}\n`)), null, clock),
  absent: async (clock) => sourceOf(`http://127.0.0.1:${await freePort()}/`, null, clock),
  silent: async (clock) => sourceOf(await stub(() => undefined), null, clock),
});

sourceContract('a number in JSON', {
  counting: async (users, clock) =>
    sourceOf(
      await stub((_request, response) => response.end(JSON.stringify({ a: [0, { b: users }] }))),
      '/a/1/b',
      clock,
    ),
  absent: async (clock) => sourceOf(`http://127.0.0.1:${await freePort()}/`, '/a', clock),
  silent: async (clock) => sourceOf(await stub((_request, response) => response.write('{"a":')), '/a', clock),
});

describe('a plain number', () => {
  test.each(['0', '0\n', '  12 \r\n', '007'])('is %j', async (body) => {
    expect(await count(body, null)).toBe(Number(body));
  });

  test.each([
    '',
    ' ',
    '0abc',
    'abc',
    '-1',
    '-0',
    '+1',
    'NaN',
    'Infinity',
    '1e309',
    '1e3',
    '1.5',
    '0.0',
    '1,000',
    '0x10',
    '1 2',
    '0\0',
    'null',
    '"3"',
    '{"active":3}',
    '٣',
    '9007199254740993',
    '<html>0</html>',
  ])('is not %j', async (body) => {
    expect(await refusal(body, null)).toMatchObject({ code: 'failed' });
  });

  test('is never made of anything but digits and blanks around them', async () => {
    let body = '';
    const source = sourceOf(await stub((_request, response) => response.end(body)), null);
    await fc.assert(
      fc.asyncProperty(
        fc.string({ maxLength: 8, unit: fc.constantFrom(...'0123456789+-.eEx \n,n'.split('')) }),
        async (text) => {
          body = text;
          const counted = await source.count(never).catch(() => 'unknown');
          expect(counted).toBe(/^\s*\d+\s*$/.test(text) ? Number(text) : 'unknown');
        },
      ),
      { numRuns: 200 },
    );
  });
});

describe('a number in JSON', () => {
  const document = '{"": 1, "a/b": 2, "m~n": 3, "~1": 4, "list": [5, 6], "a": {"a": 7}, " ": 8, "é": 9}';
  test.each([
    ['/', 1],
    ['/a~1b', 2],
    ['/m~0n', 3],
    ['/~01', 4],
    ['/list/1', 6],
    ['/a/a', 7],
    ['/ ', 8],
    ['/é', 9],
  ])('is found by the pointer %j', async (pointer, value) => {
    expect(await count(document, pointer)).toBe(value);
  });

  test('may be the whole document', async () => {
    expect(await count('12', '')).toBe(12);
  });

  test.each([
    ['/missing', 'no value'],
    ['/a', '"{...}" is no count'],
    ['/a/a/a', 'no value'],
    ['/list', '"[...]" is no count'],
    ['/list/2', 'no value'],
    ['/list/-', 'no value'],
    ['/list/01', 'no value'],
    ['/list/length', 'no value'],
    ['/__proto__', 'no value'],
    ['/constructor/length', 'no value'],
  ])('is not what the pointer %j leads to', async (pointer, reason) => {
    expect((await refusal(document, pointer)).message).toContain(reason);
  });

  test.each(['-1', '-0', '1.5', '1e309', '"0"', '""', 'null', 'true', '[]', '{}', '9007199254740993'])(
    'is not %s',
    async (value) => {
      const error = await refusal(`{"active": ${value}}`, '/active');
      expect(error.message).toContain('is no count of sessions');
    },
  );

  test.each(['', '{"active": 0', "{'active': 0}", '{"active": NaN}', '<html>', '0abc', '['.repeat(60_000)])(
    'is not in what is no JSON (%#)',
    async (body) => {
      expect((await refusal(body, '/active')).message).toContain('no JSON');
    },
  );

  test.each([
    ['{"active": 5, "active": 0}', '/active'],
    ['{"active": 5, "\\u0061ctive": 0}', '/active'],
    ['{"a": {"b": 1, "c": [{"n": 2, "n": 0}]}}', '/a/c/0/n'],
    ['{"active": 0, "other": {"x": 1, "x": 1}}', '/active'],
  ])('is not in %s: which of two values of one key is meant?', async (body, pointer) => {
    expect((await refusal(body, pointer)).message).toMatch(/has the key "\w+" twice/);
  });

  test('is not to be confused with what the reader makes of it', async () => {
    const body = '{"n": {"text": 0}, "__proto__": 3, "constructor": {"name": 4}, "s": ["\\\\", "]\\"}", 5]}';
    expect(await count(body, '/__proto__')).toBe(3);
    expect(await count(body, '/constructor/name')).toBe(4);
    expect(await count(body, '/s/2')).toBe(5);
    for (const [pointer, text] of [
      ['/n/text', '0'],
      ['/toString', '0'],
    ] as const)
      expect((await refusal(`{"n": ${text}}`, pointer)).message).toContain('no value');
  });

  test('is not found below thousands of brackets, and neither is the end of the stack', async () => {
    const [open, close] = ['['.repeat(30_000), ']'.repeat(30_000)];
    expect((await refusal(open + close, '')).message).toContain('"[...]" is no count');
    expect(await count(`${open}7${close}`, '/0'.repeat(30_000))).toBe(7);
  });

  test.each(['active', '/a~', '/a~2b', '#/active'])(
    'refuses %j for a pointer before it asks',
    async (pointer) => {
      expect(await refusalOf(() => sourceOf('http://127.0.0.1:1/', pointer))).toMatchObject({
        code: 'config',
        target: pointer,
      });
    },
  );
});

describe('headers', () => {
  const TOKEN = 'CANARY-0123456789-and-so-on-beyond-forty-characters';
  const headers = { Host: 'shop.example', Authorization: `Bearer ${TOKEN}`, 'X-Tenant': '7' };
  const counted = (url: string, reading: ReadingConfig = { kind: 'number' }): Promise<number> =>
    sourceBy(url, reading, realClock, headers).count(never);

  test('are sent as written, to a virtual host that asks for a bearer', async () => {
    const agents: unknown[] = [];
    const url = await stub(({ headers: sent }, response) => {
      agents.push(sent['user-agent']);
      const knows = sent.host === 'shop.example' && sent.authorization === `Bearer ${TOKEN}`;
      response.writeHead(knows ? 200 : 401).end(sent['x-tenant']);
    });
    expect(await counted(url)).toBe(7);
    expect(await refusalOf(() => sourceOf(url, null).count(never))).toMatchObject({
      message: expect.stringContaining('status 401'),
    });
    expect(agents).toEqual(['lastcall', 'lastcall']);
    const named = sourceBy(url, { kind: 'number' }, realClock, { ...headers, 'User-Agent': 'shop/1' });
    expect(await named.count(never)).toBe(7);
    expect(agents[2]).toBe('shop/1');
  });

  test('may say what is accepted', async () => {
    const url = await stub(({ headers: sent }, response) => response.end(`n{a="${sent.accept}"} 3\n`));
    const source = sourceBy(url, { kind: 'prometheus', series: 'n{a="x/y"}' }, realClock, { Accept: 'x/y' });
    expect(await source.count(never)).toBe(3);
  });

  test('do not follow a redirect', async () => {
    const elsewhere = await startStub((_request, response) => response.end('0'));
    stubs.push(elsewhere);
    const url = await stub((_request, response) =>
      response.writeHead(307, { location: elsewhere.url }).end('0'),
    );
    expect((await refusalOf(() => counted(url))).message).toContain('status 307');
    expect(elsewhere.requests).toEqual([]);
  });

  test.each<readonly [ReadingConfig, (sent: string) => string]>([
    [{ kind: 'number' }, (sent) => sent],
    [{ kind: 'number' }, (sent) => sent.split(' ')[1] ?? ''],
    [{ kind: 'json', pointer: '/a' }, (sent) => JSON.stringify({ a: sent })],
    [{ kind: 'json', pointer: '/a' }, (sent) => sent],
    [{ kind: 'regex', pattern: '(.*)' }, (sent) => sent],
    [{ kind: 'prometheus', series: 'n' }, (sent) => `n ${sent}`],
  ])('stand in no error, though the application echoes them (%#)', async (reading, body) => {
    const url = await stub(({ headers: sent }, response) => response.end(body(sent.authorization ?? '')));
    const error = await refusalOf(() => counted(url, reading));
    expect(JSON.stringify([error, error.message, error.next, error.stack])).not.toContain('CANARY');
  });

  test('stand in no error of the network', async () => {
    const error = await refusalOf(async () => counted(`http://127.0.0.1:${await freePort()}/`));
    expect(JSON.stringify([error, error.message, error.next, error.stack, error.cause])).not.toContain(
      'CANARY',
    );
  });
});
