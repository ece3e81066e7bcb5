import { describe, expect, test } from '@jest/globals';
import { MINIMAL, load, problemsOf } from './support.ts';

describe('text that is no YAML is refused where it stops being any', () => {
  test.each([
    ['a tab', 'drain:\n\tkeep: 1\n', '2:1: Tabs are not allowed as indentation'],
    ['a key twice', 'node: a\nnode: b\n', '2:1: Map keys must be unique'],
    ['an open quote', 'node: "a\n', '2:1: Missing closing "quote'],
    [
      'a second document',
      `${MINIMAL}---\nnode: b\n`,
      '4:1: begins a second document, put all of it into one',
    ],
    ['an unknown directive', `%FOO\n---\n${MINIMAL}`, '1:1: Unknown directive %FOO'],
    ['another version', `%YAML 1.1\n---\n${MINIMAL}`, '1:1: YAML 1.1 is not read, take the %YAML line away'],
    [
      'a byte order mark',
      `\uFEFF${MINIMAL}`,
      '1:1: starts with a byte order mark, save it as UTF-8 without one',
    ],
    ['a NUL', 'node: a\nstate: /\0\n', '2:9: a NUL character, this is no text file'],
    ['an unknown tag', 'node: !foo a\n', '1:7: Unresolved tag: !foo'],
  ])('%s', async (_what, text, first) => {
    expect((await problemsOf(text))[0]).toBe(first);
  });

  test('a reference to the environment among braces gets the cure', async () => {
    expect((await problemsOf('drain: { keep: ${KEEP} }\n'))[0]).toBe(
      '1:17: put ${...} in quotes inside { } and [ ]',
    );
  });

  test('at most twenty of a cascade of errors are reported', async () => {
    expect(await problemsOf('a: 1\n'.repeat(1_000))).toHaveLength(20);
  });
});

describe('anchors and tags', () => {
  test('an alias stands for its anchor, and a problem in it is reported with both places', async () => {
    const text = 'balancers:\n  - haproxy: /a\n    servers: &s [b/s]\n  - haproxy: /b\n    servers: *s\n';
    expect(await load(text)).toMatchObject({ ok: true, config: { balancers: [{}, { servers: ['b/s'] }] } });
    expect(await problemsOf(text.replace('b/s', 'b s'))).toEqual([
      expect.stringMatching(/^3:18: balancers\[0\]\.servers\[0\]: /),
      expect.stringMatching(/^3:18: balancers\[1\]\.servers\[0\]: /),
    ]);
  });

  test('an alias without an anchor is refused', async () => {
    expect(await problemsOf(`${MINIMAL}state: *s\n`)).toEqual([
      '4:8: state: there is no anchor &s before this alias',
    ]);
  });

  test('a tag is refused, even one that YAML knows', async () => {
    expect(await problemsOf(`${MINIMAL}state: !!binary aGk=\n`)).toEqual([
      '4:17: state: tags are not read, take "tag:yaml.org,2002:binary" away',
    ]);
    expect(await problemsOf(`${MINIMAL}node: !!str a\n`)).toEqual([
      '4:13: node: tags are not read, take "tag:yaml.org,2002:str" away',
    ]);
  });

  test('an alias that holds itself ends', async () => {
    const problems = await problemsOf('node: &a [*a]\n');
    expect(problems).toEqual([
      expect.stringMatching(/^1:11: node\[0\].*: more than 100 aliases, or one that holds itself$/),
    ]);
  });

  test('a bomb of nested aliases ends', async () => {
    const levels = 'abcdefghi'.split('');
    const lines = levels.map(
      (name, at) =>
        `${name}: &${name} [${
          at === 0
            ? 'x'
            : Array(10)
                .fill(`*${levels[at - 1]}`)
                .join()
        }]`,
    );
    const problems = await problemsOf(`${lines.join('\n')}\n`);
    expect(problems).toEqual([expect.stringMatching(/: more than 100 aliases, or one that holds itself$/)]);
  });

  test('many values behind few aliases end too', async () => {
    const problems = await problemsOf(
      `a: &a [${Array(500).fill('x').join()}]\nb: [${Array(50).fill('*a').join()}]\n`,
    );
    expect(problems).toEqual([expect.stringMatching(/: more than 10000 values$/)]);
  });
});

describe('depth that would exhaust the stack is refused before anything recurses', () => {
  test.each([
    ['brackets', '['.repeat(200_000), /^1:\d\d: /],
    ['braces', '{a: '.repeat(200_000), /^1:\d{2,3}: /],
    ['dashes', '- '.repeat(200_000), /^1:\d{2,3}: /],
    ['questions', '? '.repeat(200_000), /^1:\d{2,3}: /],
    [
      'indentation',
      Array.from({ length: 1_000 }, (_, depth) => `${' '.repeat(depth)}a:`).join('\n'),
      /^\d\d:\d\d: /,
    ],
  ])('%s', async (_what, text, place) => {
    const [problem, ...more] = await problemsOf(text);
    expect(more).toEqual([]);
    expect(problem).toMatch(place);
    expect(problem).toMatch(/: nested too deeply for a configuration$/);
  });
});
