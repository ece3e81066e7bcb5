import { describe, expect, test } from '@jest/globals';
import type { ServerResponse } from 'node:http';
import { gzipSync } from 'node:zlib';
import type { ReadingConfig } from '../../agent/config/source-config.ts';
import { never, refusalOf } from '../support/outcome.ts';
import { refusal, sourceBy, sourceOf, stub } from '../support/http-source.ts';

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

  test('and what is reported of it is for any terminal', async () => {
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
