import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { parse } from '../../agent/cli/parse.ts';
import { readPlainLine } from '../../agent/cli/plain-line.ts';
import type { CliPorts } from '../../agent/cli/ports.ts';

const unused = (): never => {
  throw new Error('no command is run here');
};

const PORTS: CliPorts = {
  argv: [],
  env: {},
  stdout: { write: () => undefined },
  stderr: { write: () => undefined },
  signals: { on: unused, off: unused },
  clock: { now: unused, wall: unused, after: unused },
  by: unused,
  hostname: unused,
  version: () => '1.2.3',
  run: unused,
  direct: unused,
  loadSubstitute: unused,
  doctor: unused,
};

const WORDS = [
  'status',
  'check',
  'drain',
  'run',
  '--json',
  '--quiet',
  '--socket',
  '-c',
  '--config',
  '/run/a.sock',
  '--watch',
  '--pool',
  '--haproxy',
  '--help',
  '-h',
  '--version',
  '--socket=/run/b.sock',
  '-cfile',
  '--jso',
  '-',
  '',
];

describe('The command line of a plain `status` or `check`', () => {
  test.each([
    [['status'], {}],
    [['status', '--json'], { json: true }],
    [['--quiet', 'status', '--socket', '/run/a.sock'], { quiet: true, socket: '/run/a.sock' }],
    [['-c', 'status', 'status'], { config: 'status' }],
    [['status', '--config', 'a', '-c', 'b'], { config: 'b' }],
    [['check', '-c', 'a', '--json'], { config: 'a', json: true }],
  ])('%j is read without commander', (words, globals) => {
    expect(readPlainLine(words)?.globals).toEqual(globals);
  });

  test.each([
    [[]],
    [['status', 'status']],
    [['status', 'check']],
    [['check', 'a.yaml']],
    [['status', '--watch']],
    [['status', '--pool']],
    [['status', '--haproxy', '/run/a.sock']],
    [['status', '--help']],
    [['status', '--socket']],
    [['status', '--socket', '--json']],
    [['status', '--socket', '']],
    [['status', 'constructor']],
    [['drain']],
  ])('%j is left to commander', (words: readonly string[]) => {
    expect(readPlainLine(words)).toBeNull();
  });

  test.each(['status', 'check'])('%s is read as commander reads it, whatever the words', async (verb) => {
    let read = 0;
    const some = fc.array(fc.constantFrom(...WORDS), { maxLength: 3 });
    await fc.assert(
      fc.asyncProperty(some, some, async (before, after) => {
        const words = [...before, verb, ...after];
        const plain = readPlainLine(words);
        if (plain === null) return;
        read += 1;
        const { name, globals } = plain;
        const parsed = await parse(PORTS, words, null);
        expect({ name: parsed?.name, globals: parsed?.globals }).toEqual({ name, globals });
      }),
      { numRuns: 1_000 },
    );
    expect(read).toBeGreaterThan(50);
  });
});
