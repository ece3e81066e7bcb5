import { describe, expect, test } from '@jest/globals';
import { substitute } from '../../agent/config/substitute.ts';
import { MINIMAL, configOf, problemsOf } from './support.ts';

describe('a text takes values from the environment', () => {
  test.each([
    ['${A}', 'one'],
    ['x${A}y${B}z', 'xoneytwoz'],
    ['${NONE:-three}', 'three'],
    ['${EMPTY:-three}', 'three'],
    ['${EMPTY}', ''],
    ['${NONE:-}', ''],
    ['${NONE:-a:-b c}', 'a:-b c'],
    ['${A:-three}', 'one'],
    ['$A $$ $', '$A $$ $'],
    ['${LOOKS}', '${A}'],
  ])('%s', (text, result) => {
    const env = { A: 'one', B: 'two', EMPTY: '', LOOKS: '${A}' };
    expect(substitute(text, env)).toMatchObject({ ok: true, text: result });
  });

  test.each(['${', '${A', '${}', '${1A}', '${A-b}', '${A:b}', '${A:-${B}}', '${ A }', '${A B}'])(
    'but not %s',
    (text) => {
      expect(substitute(text, { A: 'one', B: 'two' })).toEqual({
        ok: false,
        message: 'a reference to the environment is written ${NAME} or ${NAME:-default}',
      });
    },
  );
});

test('a plain value is typed as YAML types it, a quoted one stays a text', async () => {
  const text = `${MINIMAL}node: "\${N}"\nadopt: \${YES}\nsticky: \${NO:-auto}\ndrain:\n  keep: \${N}\n  quiet: \${N}s\n`;
  const config = await configOf(text, { env: { N: '12', YES: 'true' } });
  expect(config).toMatchObject({
    node: '12',
    adopt: true,
    sticky: 'auto',
    drain: { keep: 12, quietMs: 12_000 },
  });
});

test('a value out of the environment is never read as more than one value', async () => {
  const env = { V: 'a: [b]\nlog: {level: debug}', LIST: '[a]' };
  expect(await problemsOf(`${MINIMAL}state: \${V}\n`, { env })).toEqual([
    '4:8: state: must be an absolute path (from ${V})',
  ]);
  expect(await problemsOf(`${MINIMAL}sessions: \${LIST}\n`, { env })).toEqual([
    '4:11: sessions: expected a list, got a text (from ${LIST})',
  ]);
});

test('a variable that is not set is a problem at its place, along with every other problem', async () => {
  const text = `${MINIMAL}node: \${NODE}\nstate: /a/\${B}\${C}\ndrain: { keep: x }\n`;
  expect(await problemsOf(text, { env: { B: 'b' } })).toEqual([
    '4:7: node: the environment variable NODE is not set',
    '5:8: state: the environment variable C is not set',
    '6:16: drain.keep: expected a number, got a text',
  ]);
});

test('a wrong value out of the environment names its variable and not what is in it', async () => {
  const text = `${MINIMAL}node: \${N}\nsessions:\n  - http: { url: "\${HOST}:\${PORT}/" }\n`;
  const problems = await problemsOf(text, { env: { N: '5', HOST: 'canary', PORT: '80' } });
  expect(problems).toEqual([
    '4:7: node: expected a text, got a whole number, put it in quotes (from ${N})',
    '6:18: sessions[0].http.url: must begin with http:// or https:// (from ${HOST}, ${PORT})',
  ]);
  expect(problems.join()).not.toContain('canary');
});

test('an empty variable is a value that is not there', async () => {
  expect(await problemsOf(`${MINIMAL}adopt: \${E}\n`, { env: { E: '' } })).toEqual([
    '4:8: adopt: expected true or false, got nothing (from ${E})',
  ]);
});

test('keys are not looked at', async () => {
  expect(await problemsOf(`${MINIMAL}\${A}: 1\n`, { env: { A: 'node' } })).toEqual([
    expect.stringContaining('4:1: ["${A}"]: unknown key'),
  ]);
});
