import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { readKeys } from '../../agent/config/keys.ts';
import { controlSocketOf } from '../../agent/config/control-socket.ts';
import type { SocketLookup } from '../../agent/config/control-socket.ts';
import { scan } from '../../agent/config/quick-scan.ts';
import { makeTempDir } from '../support/tempdir.ts';
import type { TempDir } from '../support/tempdir.ts';

let dir: TempDir;
beforeAll(async () => {
  dir = await makeTempDir();
});
afterAll(() => dir.remove());

async function socketOf(text: string | null, more: Partial<SocketLookup> = {}): Promise<string> {
  const file = join(dir.path, text === null ? 'absent.yaml' : 'lastcall.yaml');
  if (text !== null) await writeFile(file, text);
  return controlSocketOf({ socket: null, file, named: true, env: {}, hostname: 'host1', ...more });
}

describe('the control socket', () => {
  test('is the one named on the command line, whatever the file says', async () => {
    expect(await socketOf(null, { socket: 'here.sock' })).toBe('here.sock');
    expect(await socketOf('listen: { control: /b.sock }', { socket: '/a.sock' })).toBe('/a.sock');
  });

  test.each([
    ['', '/run/lastcall/host1.sock'],
    ['node: app1\n', '/run/lastcall/app1.sock'],
    ['node: "app1"\n', '/run/lastcall/app1.sock'],
    ['node: ${NODE}\n', '/run/lastcall/env1.sock'],
    ['listen:\n  control: /a.sock\n', '/a.sock'],
    ['node: app1\nlisten:\n  control: /a.sock # here\n', '/a.sock'],
    ['node: app1\nlisten: { control: /a.sock }\n', '/a.sock'],
    ['node: app1\nlisten:\n  control:\n    path: /a.sock\n    mode: "0660"\n', '/a.sock'],
    ['node: app1\nlisten:\n  control: { mode: "0660" }\n', '/run/lastcall/app1.sock'],
    ['node: app1\nlisten:\n  control: /run/${NODE}.sock\n', '/run/env1.sock'],
    ['node: ${NOT_SET}\nlisten:\n  control: /a.sock\n', '/a.sock'],
    ['node: app1\nnonsense: [1, 2]\ndrain: { keep: many }\n', '/run/lastcall/app1.sock'],
  ])('is read from %j', async (text, path) => {
    expect(await socketOf(text, { env: { NODE: 'env1' } })).toBe(path);
  });

  test('is the default of this host where the default file is missing', async () => {
    expect(await socketOf(null, { named: false })).toBe('/run/lastcall/host1.sock');
  });

  test('is unknown where a named file is missing', async () => {
    await expect(socketOf(null)).rejects.toMatchObject({
      code: 'config',
      message: `the configuration file ${dir.path}/absent.yaml does not exist`,
      next: 'name the file with --config',
    });
  });

  test.each([
    ['node: ${NOT_SET}\n', '1:7: node: the environment variable NOT_SET is not set'],
    [
      'listen: { control: "/run/${NOT_SET}" }\n',
      '1:20: listen.control: the environment variable NOT_SET is not set',
    ],
    ['node: 5\n', '1:7: node: expected a text'],
    ['listen: { control: [] }\n', '1:20: listen.control: expected a text'],
    ['listen: { control: { path: 5 } }\n', '1:28: listen.control.path: expected a text'],
    ['node: "a\n', '2:1: Missing closing "quote'],
  ])('is not found in %j', async (text, problem) => {
    await expect(socketOf(text)).rejects.toMatchObject({
      code: 'config',
      message: `${dir.path}/lastcall.yaml:${problem}`,
      next: 'name the control socket with --socket',
    });
  });

  test('has a path that a socket can have', async () => {
    const long = `/${'x'.repeat(107)}`;
    const wrong = 'is 108 bytes long, the path of a unix socket has at most 107';
    await expect(socketOf(null, { socket: long })).rejects.toMatchObject({
      code: 'usage',
      message: `--socket ${wrong}`,
    });
    await expect(socketOf(null, { socket: '' })).rejects.toMatchObject({
      code: 'usage',
      message: '--socket names no socket',
    });
    await expect(socketOf(`listen:\n  control: ${long}\n`)).rejects.toMatchObject({
      code: 'config',
      message: `${dir.path}/lastcall.yaml: listen.control: ${wrong}`,
    });
    await expect(socketOf('node: "a/b"\n')).rejects.toMatchObject({ code: 'config' });
  });
});

describe('a look at the lines', () => {
  test.each([
    ['', { node: null, control: null }],
    ['# node: x\nnode: app1\n', { node: 'app1', control: null }],
    ['balancers:\n- haproxy: /a\n  servers: [b/s]\nnode: app1 # me\n', { node: 'app1', control: null }],
    [
      'node: app1\nlisten:\n\n  # here\n  agentCheck: { address: "0.0.0.0:1" }\n  control: /a\nstate: /s\n',
      { node: 'app1', control: '/a' },
    ],
  ])('is enough for %j', (text, keys) => {
    expect(scan(text)).toEqual({ sure: true, ...keys });
  });

  test.each([
    'node: app1\n  more\n',
    'node: true\n',
    'node: 5\n',
    'node: ${A}\n',
    'node: "app1"\n',
    'node: app1\nfoo: node\n',
    '"n\\u006fde": app1\n',
    'listen: { control: /a }\n',
    'listen:\n  agentCheck:\n    control: /a\n',
    'listen:\n  agentCheck: { address: a,\n  control: /a\n  }\n',
    'listen:\n  agentCheck: "\n  control: /a\n  "\n',
    'other:\n  control: /a\n',
    'control: /a\n',
    'listen: |\n  control: /a\n',
    'listen:\n  control: /a\n    more\n',
    '--- \nnode: app1\n',
    'node: app1\r\n',
    'node:\tapp1\n',
  ])('is not trusted with %j', (text) => {
    expect(scan(text)).toEqual({ sure: false });
  });

  test('never says anything else than the parser does', () => {
    const mostly = (usual: string[], odd: string[]): fc.Arbitrary<string> =>
      fc.oneof({ weight: 8, arbitrary: fc.constantFrom(...usual) }, fc.constantFrom(...odd));
    const node = mostly(
      ['', 'node: app1', 'node: a # x'],
      ['node: true', 'node: "a"', '"node": a', 'node:\n  a'],
    );
    const control = mostly(
      ['', 'control: /a', 'control: /b # x'],
      ['control: "/d"', '"control": /e', '? control'],
    );
    const other = mostly(
      ['', 'agentCheck: x', '# control'],
      ['agentCheck:', 'agentCheck: "', 'agentCheck: [', ']', '"'],
    );
    const head = mostly(
      ['listen:', 'listen: # x'],
      ['listen: |', 'listen: &a', 'listen: {', 'app:', 'listen: x'],
    );
    const end = mostly(
      ['', 'state: /s', '# node', 'app: { probe: x }'],
      ['}', '---', '- a', '  more', '    more'],
    );
    const indent = mostly(['  '], ['    ', ' ']);
    const child = (line: fc.Arbitrary<string>): fc.Arbitrary<string> =>
      fc.tuple(indent, line).map((parts) => parts.join(''));
    const listen = fc
      .tuple(head, child(other), child(control), child(other))
      .map((lines) => lines.join('\n'));
    const noise = fc.tuple(
      fc.nat(200),
      fc.constantFrom('', '', '', ' ', '\n', '\t', '\r', '"', "'", '#', ': ', '{', ']', '\\', 'é', '*'),
    );
    const text = fc
      .tuple(node, listen, end, fc.boolean(), noise)
      .map(([first, second, third, turned, [at, sign]]) => {
        const whole = (turned ? [second, third, first] : [first, second, third]).join('\n');
        return `${whole.slice(0, at)}${sign}${whole.slice(at)}\n`;
      });
    let sure = 0;
    fc.assert(
      fc.property(text, (written) => {
        const scanned = scan(written);
        if (!scanned.sure || (scanned.node === null && scanned.control === null)) return;
        const read = readKeys(written, 'f', { A: 'a' });
        if (!read.ok) return;
        sure += 1;
        expect(read.keys.control).toBe(scanned.control);
        if (scanned.control === null) expect(read.keys.node).toBe(scanned.node);
      }),
      { numRuns: 10_000 },
    );
    expect(sure).toBeGreaterThan(100);
  });
});
