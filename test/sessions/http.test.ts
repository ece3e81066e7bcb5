import { afterEach, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { RequestListener, ServerResponse } from 'node:http';
import { gzipSync } from 'node:zlib';
import type { ReadingConfig } from '../../agent/config/source-config.ts';
import { createSources } from '../../agent/sessions/create.ts';
import type { Source } from '../../agent/sessions/source.ts';
import { realClock, type Clock } from '../../agent/system/clock.ts';
import type { LastcallError } from '../../agent/system/error.ts';
import { sourceContract } from '../contract/source.ts';
import { never, refusalOf } from '../support/outcome.ts';
import { freePort } from '../support/ports.ts';
import { startStub, type StubServer } from '../support/stub-server.ts';

const stubs: StubServer[] = [];
afterEach(async () => {
  for (const stub of stubs.splice(0)) await stub.stop();
});

const stub = async (answer: RequestListener): Promise<string> => {
  const server = await startStub(answer);
  stubs.push(server);
  return server.url;
};
const onWarning = (text: string): never => {
  throw new Error(`warned: ${text}`);
};
const sourceBy = (
  url: string,
  reading: ReadingConfig,
  clock: Clock = realClock,
  headers: Readonly<Record<string, string>> = {},
): Source => {
  const [source] = createSources([{ kind: 'http', url, reading, headers, timeoutMs: 20_000 }], {
    clock,
    onWarning,
  });
  if (source === undefined) throw new Error('no source');
  return source;
};
/** By a JSON pointer, or a plain number. */
const sourceOf = (url: string, json: string | null, clock: Clock = realClock): Source =>
  sourceBy(url, json === null ? { kind: 'number' } : { kind: 'json', pointer: json }, clock);
const count = async (body: string, json: string | null): Promise<number> =>
  sourceOf(await stub((_request, response) => response.end(body)), json).count(never);
const refusal = (body: string, json: string | null): Promise<LastcallError> =>
  refusalOf(() => count(body, json));

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

describe('the number of users is unknown', () => {
  const answers: [string, (response: ServerResponse) => void][] = [
    ['status 500', (response) => response.writeHead(500).end('0')],
    ['status 302', (response) => response.writeHead(302, { location: '/login' }).end('0')],
    ['status 401', (response) => response.writeHead(401).end('0')],
    ['status 203', (response) => response.writeHead(203).end('0')],
    ['longer than 65536 bytes', (response) => response.end(`${' '.repeat(70_000)}0`)],
  ];
  test.each(answers)('with %s, whatever the body says', async (reason, answer) => {
    const source = sourceOf(await stub((_request, response) => answer(response)), null);
    expect((await refusalOf(() => source.count(never))).message).toContain(reason);
  });

  test('with a body that never ends', async () => {
    const url = await stub((_request, response) => {
      const more = (): void => {
        while (response.write('0'.repeat(10_000)));
      };
      response.on('drain', more);
      more();
    });
    expect((await refusalOf(() => sourceOf(url, null).count(never))).message).toContain('longer than');
  });

  test.each<readonly [string, ReadingConfig, string]>([
    ['gzip', { kind: 'number' }, '3'],
    ['x-gzip', { kind: 'json', pointer: '/a' }, '{"a": 3}'],
    ['GZIP, identity', { kind: 'regex', pattern: '(\\d+)' }, '3'],
    ['br', { kind: 'prometheus', series: 'n' }, 'n 3\n'],
    ['\u009b\u202e', { kind: 'number' }, '3'],
  ])('with a body that is packed by %j, whole or cut', async (coding, reading, body) => {
    const packed = gzipSync(body);
    for (const bytes of [packed, packed.subarray(0, -9), Buffer.from(body)]) {
      const url = await stub((_request, response) => {
        response.setHeader('content-encoding', Buffer.from(coding).toString('latin1')).end(bytes);
      });
      const { message } = await refusalOf(() => sourceBy(url, reading).count(never));
      expect(message).toContain('the body is packed');
      expect(message).not.toMatch(/[\p{Cc}\p{Cf}]/u);
    }
  });

  test('but not with a body that is as it is, and says so', async () => {
    const url = await stub((_request, response) => {
      response.setHeader('content-encoding', 'Identity').end('3');
    });
    expect(await sourceOf(url, null).count(never)).toBe(3);
  });

  const undelimited = async (body: string, header = ''): Promise<string> =>
    stub(({ socket }) => void socket.end(`HTTP/1.1 200 OK\r\n${header}\r\n${body}`));
  test.each<readonly [ReadingConfig, string]>([
    [{ kind: 'regex', pattern: '^users (\\d+)$' }, 'users 0\n'],
    [{ kind: 'prometheus', series: 'n' }, 'n{a="1"} 0\n'],
  ])('where a part of the body may look whole, and nothing tells its end (%#)', async (reading, body) => {
    const url = await undelimited(body);
    const { message } = await refusalOf(() => sourceBy(url, reading).count(never));
    expect(message).toContain('neither a Content-Length nor chunks');
    // A coding that is not that of chunks ends with the connection, too.
    const coded = [await undelimited(body, 'Transfer-Encoding: identity\r\n')];
    coded.push(await undelimited(body, 'Transfer-Encoding: gzip\r\n'));
    for (const one of coded)
      expect((await refusalOf(() => sourceBy(one, reading).count(never))).message).toMatch(
        /neither a Content-Length nor chunks|the body is packed \("gzip"\)/,
      );
    const whole = await stub((_request, response) => response.end(body));
    expect(await sourceBy(whole, reading).count(never)).toBe(0);
    const chunked = await stub((_request, response) => {
      response.write(body);
      response.end();
    });
    expect(await sourceBy(chunked, reading).count(never)).toBe(0);
  });

  test('but not where a part of it is no count at all', async () => {
    expect(await sourceOf(await undelimited('3'), null).count(never)).toBe(3);
    expect(await sourceOf(await undelimited('{"a": 3}'), '/a').count(never)).toBe(3);
  });

  test('and what is said of it is for any terminal', async () => {
    const hostile = '\u001b]0;x\u0007\u009b\u202e\u{e0041}\u2028';
    for (const [body, pointer] of [
      [hostile, null],
      [hostile, '/a'],
      [`{"a": "${hostile.slice(5)}"}`, '/a'],
      [`{"${hostile.slice(6)}": 1, "${hostile.slice(6)}": 1}`, '/a'],
    ] as const)
      expect((await refusal(body, pointer)).message).not.toMatch(/[\p{Cc}\p{Cf}\u2028\u2029]/u);
  });

  test('with an answer that is cut', async () => {
    const url = await stub((_request, response) => {
      response.setHeader('content-length', 2).write('1');
      response.socket?.end();
    });
    expect(await refusalOf(() => sourceOf(url, null).count(never))).toMatchObject({ code: 'failed' });
  });
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
