import { afterEach, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { ReadingConfig } from '../../agent/config/source-config.ts';
import { createSources } from '../../agent/sessions/create.ts';
import { createSafeRegex } from '../../agent/formats/safe-regex.ts';
import type { Source } from '../../agent/sessions/source.ts';
import { realClock, type Clock } from '../../agent/system/clock.ts';
import { sourceContract } from '../contract/source.ts';
import { never, refusalOf } from '../support/outcome.ts';
import { freePort } from '../support/ports.ts';
import { startStub, type StubServer } from '../support/stub-server.ts';

const stubs: StubServer[] = [];
afterEach(async () => {
  for (const stub of stubs.splice(0)) await stub.stop();
});

const PATTERN = '^active:\\s*(\\d+)$';

function sourceOf(url: string, clock: Clock): Source {
  const config = {
    kind: 'http',
    headers: {},
    url,
    reading: { kind: 'regex', pattern: PATTERN },
    timeoutMs: 20_000,
  } as const;
  const [source] = createSources([config], { clock, onWarning: () => undefined });
  if (source === undefined) throw new Error('no source');
  return source;
}

sourceContract('a regular expression', {
  async counting(users, clock) {
    const page = `Sessions of app1\nactive: ${users}\nsince: 2026-01-01\n`;
    const stub = await startStub((_request, response) => response.end(page));
    stubs.push(stub);
    return sourceOf(stub.url, clock);
  },
  absent: async (clock) => sourceOf(`http://127.0.0.1:${await freePort()}/`, clock),
  async silent(clock) {
    const stub = await startStub((_request, response) => response.write('active: 0'));
    stubs.push(stub);
    return sourceOf(stub.url, clock);
  },
});

describe('a number by a regular expression', () => {
  test.each([
    ['active=(\\d+)', 'a=1 active=12 b=3', 12],
    ['^(\\d+) users$', 'x\n37 users\ny', 37],
    ['<b>(?<count>\\d+)</b>', '<p><b>0</b></p>', 0],
    ['(?:active|busy): (.*)', 'busy:  7 \r\n', 7],
    ['(\\d+)', '9007199254740991', Number.MAX_SAFE_INTEGER],
    ['é+ (\\d+)', 'éé 5', 5],
  ])('%s is found in %j', (pattern, body, count) => {
    expect(createSafeRegex(pattern)(body)).toBe(count);
  });

  test.each([
    ['active=(\\d+)', 'active=', 'matches nowhere'],
    ['active=(\\d+)', '', 'matches nowhere'],
    ['active=(\\d+)', 'active=0 active=5', 'more than once'],
    ['(\\d*)', '', '"" is no count'],
    ['(\\d*)', 'x', 'more than once'],
    ['active=(\\d+)?', 'active=x', 'took no part'],
    ['active=(.*)', 'active=1,234', '"1,234" is no count'],
    ['active=(.*)', 'active=-1', '"-1" is no count'],
    ['active=(.*)', 'active=1.5', '"1.5" is no count'],
    ['active=(.*)', 'active=NaN', '"NaN" is no count'],
    ['active=(\\d+)', 'active=9007199254740993', 'is no count'],
  ])('%s makes no count of %j', (pattern, body, problem) => {
    expect(createSafeRegex(pattern)(body)).toEqual({ problem: expect.stringContaining(problem) });
  });

  test.each(['\\d+', '(?:\\d+)', '(\\d+)|(\\w+)', '((\\d+))', '', '(', '[(\\d)', '(\\d+', 'a{2,1}(\\d)'])(
    'is refused for %j before the application is asked',
    async (pattern) => {
      expect(await refusalOf(() => createSafeRegex(pattern))).toMatchObject({
        code: 'config',
        target: pattern,
        next: expect.stringContaining('( )'),
      });
    },
  );

  // Each would go on for years; that this test ends is the proof.
  test.each([
    ['(?:a+)+b(\\d+)', 'a'.repeat(65_536)],
    ['(?:a|a)*b(\\d+)', 'a'.repeat(40)],
    ['(?:.*.*)*=(\\d+)', 'x'.repeat(65_536)],
    ['(\\d+)(?:\\d+)*$!', '1'.repeat(65_536)],
  ])('%s goes astray on some bodies, and is stopped', (pattern, body) => {
    const read = createSafeRegex(pattern);
    expect(read(body)).toEqual({ problem: expect.stringMatching(/takes longer than|cannot read/) });
    expect(read('nothing')).toEqual({ problem: 'the regular expression matches nowhere' });
  });

  test('is found wherever it stands, and nothing else is', () => {
    const read = createSafeRegex('n=(\\d+);');
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.nat(), fc.string(), (before, count, after) => {
        fc.pre(!/n=\d+;/.test(before) && !/n=\d+;/.test(after) && !/^n=\d*$/.test(before));
        expect(read(`${before}\nn=${count};\n${after}`)).toBe(count);
        expect(read(`${before}\n${after}`)).toHaveProperty('problem');
      }),
    );
  });
});

test('one that goes astray is stopped soon, and its source then leaves the others alone for a while', async () => {
  const stub = await startStub((_request, response) => response.end('a'.repeat(60_000)));
  try {
    const reading = { kind: 'regex', pattern: '(?:a+)+b(\\d+)' } as const;
    const sourceOf = (how: ReadingConfig): Source | undefined =>
      createSources([{ kind: 'http', url: stub.url, reading: how, headers: {}, timeoutMs: 20_000 }], {
        clock: realClock,
        onWarning: () => undefined,
      })[0];
    const astray = sourceOf(reading);
    expect(astray?.minPauseMs?.()).toBe(0);
    expect(await refusalOf(async () => astray?.count(never))).toMatchObject({
      message: expect.stringMatching(/takes longer than 50 ms|cannot read/),
    });
    expect(astray?.minPauseMs?.()).toBeGreaterThanOrEqual(20 * 49);
    expect(astray?.minPauseMs?.()).toBeLessThanOrEqual(10_000);
  } finally {
    await stub.stop();
  }
});
