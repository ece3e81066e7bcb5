import { afterEach, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { createSources } from '../../agent/sessions/create.ts';
import { parseSeries, readMetric } from '../../agent/formats/prometheus.ts';
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

const SERIES = 'tomcat_sessions_active_current_sessions{context="/app"}';

function sourceOf(url: string, clock: Clock): Source {
  const reading = { kind: 'prometheus', series: SERIES } as const;
  const [source] = createSources([{ kind: 'http', url, reading, headers: {}, timeoutMs: 20_000 }], {
    clock,
    onWarning: () => undefined,
  });
  if (source === undefined) throw new Error('no source');
  return source;
}

const page = (users: number): string =>
  '# HELP tomcat_sessions_active_current_sessions \n# TYPE tomcat_sessions_active_current_sessions gauge\n' +
  `tomcat_sessions_active_current_sessions{application="a b",context="/app",} ${users}\n` +
  'tomcat_sessions_active_current_sessions{context="/other"} 99\n# EOF\n';

sourceContract("one of Prometheus' metrics", {
  async counting(users, clock) {
    const stub = await startStub((_request, response) => response.end(page(users)));
    stubs.push(stub);
    return sourceOf(stub.url, clock);
  },
  absent: async (clock) => sourceOf(`http://127.0.0.1:${await freePort()}/`, clock),
  async silent(clock) {
    const stub = await startStub((_request, response) => response.write(page(0)));
    stubs.push(stub);
    return sourceOf(stub.url, clock);
  },
});

describe('a metric', () => {
  const body = [
    '# HELP n sessions{context="/app"} 5',
    'n 3.0',
    'm{a="1",b="x"} 4',
    'm{a="2", b="x" ,} 5e0 1700000000000',
    'm { a = "3" , b = "y" } +6 # {trace="1"} 1.0',
    String.raw`e{path="C:\\d\"q\"\n",odd="\d"} 7`,
    'big 9007199254740991',
    'empty{} 8',
    '  tab\t9\r',
    'n_total 100',
    'ns:x 100',
    '',
  ].join('\n');
  test.each([
    ['n', 3],
    ['m', 15],
    ['m{b="x"}', 9],
    ['m{a="2",b="x"}', 5],
    ['m{ a = "3" , }', 6],
    ['m{c=""}', 15],
    ['m{}', 15],
    [String.raw`e{path="C:\\d\"q\"\n"}`, 7],
    [String.raw`e{odd="\\d"}`, 7],
    ['big', Number.MAX_SAFE_INTEGER],
    ['empty', 8],
    ['tab', 9],
  ])('%s is the sum of all series that it names', (series, count) => {
    expect(readMetric(body, parseSeries(series))).toBe(count);
  });

  test.each([
    ['missing', body, 'no such metric'],
    ['n{a="1"}', body, 'no such metric'],
    ['m{a=""}', body, 'no such metric'],
    ['n', '', 'no such metric'],
    ['n', '# n 3\n', 'no such metric'],
    ['n', '{"n":3}\n', "is no line of Prometheus' text format"],
    ['n', 'n NaN\n', '"NaN" is no count'],
    ['n', 'n +Inf\n', '"+Inf" is no count'],
    ['n', 'n 0x10\n', 'is no count'],
    ['n', 'n 1.5\n', '"1.5" is no count'],
    ['n', 'n -1\n', '"-1" is no count'],
    ['n', 'n -0\n', '"-0" is no count'],
    ['n', 'n 1e-400\n', '"1e-400" is no count'],
    ['n', 'n 1e309\n', '"1e309" is no count'],
    ['n', 'n 9007199254740993\n', 'is no count'],
    ['n', 'n\n', 'is no count'],
    ['n', 'n three\n', 'is no count'],
    ['n', 'n 3x\n', 'is no count'],
    ['n', 'n 3', 'no whole line'],
    ['n', 'n{a="1" 3\n', 'no whole line'],
    ['n', 'n{a="1\n', 'no whole line'],
    ['n', 'n{a=1} 3\n', 'no whole line'],
    ['n', 'n{a="1"} 0\nn{a="2"} NaN\n', '"NaN" is no count'],
    ['n', 'n{a="1"} 9007199254740991\nn{a="2"} 1\n', 'is no count'],
  ])('%s is unknown in %j', (series, text, problem) => {
    expect(readMetric(text, parseSeries(series))).toEqual({ problem: expect.stringContaining(problem) });
  });

  // What stood between two lines is lost, or has become another character.
  test.each(['', ' ', '\t', '\r', '\v', '\f', '\0', '\u2028', '\u00a0'])(
    'is not read out of lines that have become one, with %j between them',
    (between) => {
      const before = [
        'n{a="1"} 0',
        'n{a="1"} 0 1700000000000',
        'other 3',
        'other{a="}"} NaN 17',
        '# TYPE n gauge',
        ...(between.trim() === '' && between !== '' ? [] : ['#']),
      ];
      for (const line of before)
        expect(readMetric(`n 0\n${line}${between}n{a="2"} 5\nn 0\n`, parseSeries('n'))).toEqual({
          problem: expect.stringMatching(/is no (?:line|whole line|count)/),
        });
    },
  );

  test('stands beside lines of any other kind that Prometheus knows', () => {
    const others = [
      '# HELP x is a text, with "quotes" and a # in it',
      '# TYPE x gaugehistogram',
      '#',
      'x_bucket{le="+Inf",path="a}b\\"c"} 17 1700000000.123 # {trace_id="k"} 0.67 1700000000.1',
      'x:y_total +Inf -17',
      '{"a.name", b="c"} -1.5e-3',
      'x{} .5',
      'x\t{a="1",}\tNaN',
      '# EOF',
    ];
    expect(readMetric(`${others.join('\n')}\r\n\nn 0\n`, parseSeries('n'))).toBe(0);
  });

  test.each(['', '1n', 'n m', 'n{', 'n{a}', 'n{a="b"', 'n{a="b"}}', 'n{a=~"b"}', '{a="b"}', 'n 3'])(
    '%j is none, and refused before the application is asked',
    async (series) => {
      expect(await refusalOf(() => parseSeries(series))).toMatchObject({ code: 'config', target: series });
    },
  );

  test('is read with whatever labels it is written', () => {
    const escaped = (text: string): string =>
      text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.string({ unit: 'grapheme' }), fc.nat(1e6)), { minLength: 1, maxLength: 20 }),
        (series) => {
          const [wanted = ['', 0]] = series;
          const text = series.map(([label, count]) => `n{l="${escaped(label)}"} ${count}\n`).join('');
          const expected = series.filter(([label]) => label === wanted[0]);
          const total = expected.reduce((sum, [, count]) => sum + count, 0);
          expect(readMetric(text, parseSeries(`n{l="${escaped(wanted[0])}"}`))).toBe(total);
        },
      ),
    );
  });

  test('is never read out of noise as anything but a whole number', () => {
    const unit = fc.constantFrom(...'n{}="\\, 01.e-\n'.split(''));
    fc.assert(
      fc.property(fc.string({ unit, maxLength: 40 }), (noise) => {
        const count = readMetric(noise, parseSeries('n'));
        if (typeof count === 'number') expect(Number.isSafeInteger(count) && count >= 0).toBe(true);
      }),
      { numRuns: 2_000 },
    );
  });
});

test('a page of metrics may be larger than a page that tells one number, but not endless', async () => {
  let filler = 'x'.repeat(200_000);
  const stub = await startStub((_request, response) => response.end(`# ${filler}\n${page(12)}`));
  stubs.push(stub);
  expect(await sourceOf(stub.url, realClock).count(never)).toBe(12);
  expect(stub.requests[0]?.headers.accept).toBe('text/plain');
  filler = 'x'.repeat(1_100_000);
  const error = await refusalOf(() => sourceOf(stub.url, realClock).count(never));
  expect(error.message).toContain('longer than 1048576 bytes');
});
