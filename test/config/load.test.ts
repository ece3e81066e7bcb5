import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { readConfig } from '../../agent/config/load.ts';
import { checkReport, configError } from '../../agent/config/report.ts';
import { runs } from '../support/long.ts';
import { makeTempDir } from '../support/tempdir.ts';
import type { TempDir } from '../support/tempdir.ts';
import { CONTEXT, MINIMAL, configOf, load } from './support.ts';

const SAMPLE = new URL('../../deploy/lastcall.yaml', import.meta.url);

let dir: TempDir;
beforeAll(async () => {
  dir = await makeTempDir();
});
afterAll(() => dir.remove());

describe('a file', () => {
  test('is read, and named in every problem', async () => {
    const file = join(dir.path, 'a.yaml');
    await writeFile(file, `${MINIMAL}drain: 5\n`);
    expect(await readConfig(file, CONTEXT)).toEqual({
      ok: false,
      problems: [
        { file, line: 4, column: 8, path: 'drain', message: 'expected a mapping, got a whole number' },
      ],
    });
  });

  test.each([
    ['that is missing', 'none.yaml', 'does not exist'],
    ['that is a directory', 'folder', 'is a directory'],
    ['that is too big', 'big.yaml', 'is over 1 MB'],
    ['that is in another encoding', 'latin1.yaml', 'is not UTF-8 text'],
    ['under a file', 'latin1.yaml/x', 'cannot be read (ENOTDIR'],
  ])('%s is reported as such, and not as a wrong one', async (_what, name, why) => {
    await mkdir(join(dir.path, 'folder'), { recursive: true });
    await writeFile(join(dir.path, 'big.yaml'), `${MINIMAL}#${' '.repeat(1_000_000)}`);
    await writeFile(join(dir.path, 'latin1.yaml'), Buffer.from('node: \xe4', 'latin1'));
    const target = join(dir.path, name);
    const said = await readConfig(target, CONTEXT).catch((error: unknown) => error);
    expect(said).toMatchObject({ name: 'LastcallError', code: 'config', target });
    expect(said).toHaveProperty(
      'message',
      expect.stringContaining(`the configuration file ${target} ${why}`),
    );
    expect(said).toHaveProperty('next', expect.stringMatching(/\w/));
  });

  test('without an end is not read for ever', async () => {
    await expect(readConfig('/dev/zero', CONTEXT)).rejects.toMatchObject({
      code: 'config',
      message: 'the configuration file /dev/zero is over 1 MB',
    });
  });

  test('of exactly a megabyte is read', async () => {
    const file = join(dir.path, 'full.yaml');
    await writeFile(file, MINIMAL.padEnd(999_999, '#').concat('\n'));
    expect(await readConfig(file, CONTEXT)).toMatchObject({ ok: true });
  });
});

describe('the sample', () => {
  test('is right as it stands, and warns of nothing but what it shows on purpose: a lock of one machine, a master CLI, a socket of a group', async () => {
    const machine = expect.stringMatching(/^lock\.file and `do: reboot`/);
    const master = expect.stringMatching(
      /^balancers\[0\]\.master: HAProxy 3\.4\.0 to 3\.5-dev5 .*haproxy -c/,
    );
    const group = expect.stringMatching(/^listen\.control\.mode: the members of deploy/);
    const warnings = [machine, master, group];
    const text = await readFile(SAMPLE, 'utf8');
    expect(await load(text)).toMatchObject({ ok: true, warnings });
    expect(await load(text.replace(/^ +master: .*\n/m, ''))).toMatchObject({
      ok: true,
      warnings: [machine, group],
    });
  });

  test('shows every key and every value that it calls a default is one', async () => {
    const text = await readFile(SAMPLE, 'utf8');
    const config = await configOf(text);
    const bare = await configOf(
      text
        .split('\n')
        .filter((line) => !line.endsWith(' # default'))
        .join('\n'),
    );
    expect(text.match(/ # default$/gm)?.length).toBeGreaterThan(5);
    expect(bare).toEqual(config);
    const keys = `node app probe http url healthy signOut status body tcp command every timeout rise fall onSignOut start
      stop signal name pidFile killAfter balancers haproxy servers writer agentCheck from id ignoreServers sticky sessions json drain
      onTimeout quiet keep keepBackups expires schedule cron timezone do reason jitter when hooks on webhook tokenFile listen address allow control path mode group state
      adopt log level format health up drain down metrics audit`;
    for (const key of keys.split(/\s+/)) expect(text).toMatch(new RegExp(`^[ #-]*${key}: ?`, 'm'));
  });

  test('sets no quiet by hand, so it does not answer for users without a source', async () => {
    expect((await configOf(await readFile(SAMPLE, 'utf8'))).drain.quietExplicit).toBe(false);
  });
});

test('a configuration cannot be changed, however deep', async () => {
  const config = await configOf(await readFile(SAMPLE, 'utf8'));
  const thawed: unknown[] = [];
  const look = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return;
    if (!Object.isFrozen(value)) thawed.push(value);
    Object.values(value).forEach(look);
  };
  look(config);
  expect(thawed).toEqual([]);
  expect(() => Object.assign(config.drain, { keep: 0 })).toThrow(TypeError);
});

test('one configuration does not reach into the next', async () => {
  expect(await configOf(MINIMAL)).toEqual(await configOf(MINIMAL));
});

describe('what check says', () => {
  test('of a right file', async () => {
    expect(checkReport('f', await load(MINIMAL))).toEqual({
      ok: true,
      code: 'done',
      file: 'f',
      problems: [],
      warnings: [],
    });
  });

  test('of a wrong file', async () => {
    const loaded = await load(`${MINIMAL}a: 1\ndrain: 5\n`);
    const problem = { line: 5, column: 8, path: 'drain', message: 'expected a mapping, got a whole number' };
    expect(checkReport('f', loaded)).toMatchObject({
      ok: false,
      code: 'config',
      file: 'f',
      problems: [{ path: 'a' }, problem],
    });
    if (loaded.ok) throw new Error('a wrong file was taken for a right one');
    expect(configError('f', loaded.problems)).toMatchObject({
      code: 'config',
      target: 'f',
      message: expect.stringMatching(/^lastcall\.yaml:4:1: a: unknown key, .* \(and 1 more\)$/),
      next: 'see them all with lastcall check -c f',
    });
    expect(configError('f', loaded.problems.slice(1)).message).toBe(
      'lastcall.yaml:5:8: drain: expected a mapping, got a whole number',
    );
  });
});

describe('whatever the text, it is either a configuration or has problems at places in it', () => {
  const scalar = fc.oneof(
    fc.constantFrom(
      '5',
      '-1',
      '0',
      'true',
      '~',
      '""',
      '5m',
      '0s',
      '/a',
      'a/b',
      '[a]',
      '{}',
      '"${A}"',
      '${B}',
      '*x',
      '&x 1',
    ),
    fc.string({ maxLength: 8 }),
    fc.string({ unit: 'binary', maxLength: 4 }).map((text) => JSON.stringify(text)),
  );
  const words = `node app probe http tcp command url healthy signOut start stop signal pidFile balancers haproxy agentCheck
    servers writer from sticky sessions json drain quiet keep schedule cron do listen control path mode state log health metrics audit
    __proto__`;
  const key = fc.constantFrom(...words.split(/\s+/));
  const { tree } = fc.letrec<{ tree: string }>((tie) => ({
    tree: fc.oneof(
      { maxDepth: 4, withCrossShrink: true },
      scalar,
      fc
        .array(fc.tuple(key, tie('tree')), { maxLength: 5 })
        .map((list) => `{ ${list.map((pair) => pair.join(': ')).join(', ')} }`),
      fc.array(tie('tree'), { maxLength: 3 }).map((list) => `[ ${list.join(', ')} ]`),
    ),
  }));
  const block = fc
    .array(fc.tuple(key, tree), { maxLength: 8 })
    .map((list) => list.map((pair) => `${pair.join(': ')}\n`).join(''));

  async function holds(text: string): Promise<void> {
    const loaded = await load(text, { env: { A: 'a' } });
    if (loaded.ok) return expect(Object.isFrozen(loaded.config)).toBe(true);
    const lines = text.split('\n');
    expect(loaded.problems.length).toBeGreaterThan(0);
    for (const { line, column, message, path } of loaded.problems) {
      expect(line).toBeGreaterThan(0);
      expect(line).toBeLessThanOrEqual(lines.length);
      expect(column).toBeGreaterThan(0);
      expect(column).toBeLessThanOrEqual((lines[line - 1] ?? '').length + 1);
      expect(message).not.toBe('');
      expect(`${path}${message}`).not.toContain('\n');
      expect(message).not.toMatch(/undefined|Invalid input|Too (big|small)/);
    }
  }

  test('from keys and values that belong here', () =>
    fc.assert(fc.asyncProperty(block, holds), { numRuns: runs(600) }));
  test('after a legal beginning', () =>
    fc.assert(
      fc.asyncProperty(block, (more) => holds(MINIMAL + more)),
      { numRuns: runs(200) },
    ));
  test('from any characters', () =>
    fc.assert(fc.asyncProperty(fc.string({ unit: 'binary', maxLength: 60 }), holds), { numRuns: runs(600) }));
  test('from the sample with a piece taken out or put in', async () => {
    const sample = await readFile(SAMPLE, 'utf8');
    const edit = fc.tuple(fc.nat(sample.length), fc.nat(20), fc.oneof(fc.string({ maxLength: 6 }), scalar));
    await fc.assert(
      fc.asyncProperty(edit, ([at, cut, put]) => holds(sample.slice(0, at) + put + sample.slice(at + cut))),
      { numRuns: 150 },
    );
  });
});
