import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { execFile } from 'node:child_process';
import { chmod, mkdir, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { SourceConfig } from '../../agent/config/source-config.ts';
import { createSources } from '../../agent/sessions/create.ts';
import { matches, parseGlob, type GlobPart } from '../../agent/formats/glob.ts';
import type { Source } from '../../agent/sessions/source.ts';
import { realClock, type Clock } from '../../agent/system/clock.ts';
import { sourceContract } from '../contract/source.ts';
import { driven } from '../support/driven.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { never, refusalOf } from '../support/outcome.ts';
import { fixture } from '../support/fixture-reports.ts';
import { skipped } from '../support/skip.ts';
import { makeTempDir, type TempDir } from '../support/tempdir.ts';

let temp: TempDir;
beforeEach(async () => {
  temp = await makeTempDir();
});
afterEach(() => temp.remove());

const MINUTE_MS = 60_000;

function sourceOf(path: string, clock: Clock = realClock, timeoutMs = 20_000): Source {
  const config = { kind: 'files', path, youngerThanMs: 24 * MINUTE_MS, timeoutMs } as const;
  const [source] = createSources([config], { clock, onWarning: () => undefined });
  if (source === undefined) throw new Error('no source');
  return source;
}

/** Makes so many files, changed so long ago. */
async function make(directory: string, names: readonly string[], agoMs = 0): Promise<void> {
  await mkdir(directory, { recursive: true });
  for (const name of names) {
    const path = join(directory, name);
    await writeFile(path, '');
    const at = new Date(Date.now() - agoMs);
    await utimes(path, at, at);
  }
}
const numbered = (count: number): string[] => Array.from({ length: count }, (_none, at) => `sess_${at}`);

sourceContract('files', {
  async counting(users, clock) {
    await make(temp.path, numbered(users));
    return sourceOf(join(temp.path, 'sess_*'), clock);
  },
  absent: async (clock) => sourceOf(join(temp.path, 'nowhere', 'sess_*'), clock),
  async silent(clock) {
    // More than can be looked at in the time: no disk hangs on demand.
    await make(temp.path, numbered(1_000));
    return sourceOf(join(temp.path, 'sess_*'), clock, 60);
  },
  numbers: [0, 1, 37],
});

describe('files are counted', () => {
  test('when they are young and regular and their names match, and no others', async () => {
    await make(temp.path, ['sess_a', 'sess_b']);
    await make(temp.path, ['sess_old'], 25 * MINUTE_MS);
    await make(temp.path, ['other', '.sess_hidden', 'xsess_']);
    await mkdir(join(temp.path, 'sess_directory'));
    await symlink('/nowhere', join(temp.path, 'sess_dangling'));
    expect(await sourceOf(join(temp.path, 'sess_*')).count(never)).toBe(2);
  });

  test('as long as they are younger than the configuration says, by the calendar', async () => {
    await make(temp.path, ['sess_a']);
    const clock = new ManualClock(0, new Date());
    const source = sourceOf(join(temp.path, 'sess_*'), clock);
    clock.advance(23 * MINUTE_MS);
    expect(await source.count(never)).toBe(1);
    clock.advance(2 * MINUTE_MS);
    expect(await source.count(never)).toBe(0);
  });

  test('in every directory that a pattern leads to, one that is empty among them', async () => {
    await make(join(temp.path, 'a', 's'), ['sess_1', 'sess_2']);
    await make(join(temp.path, 'b', 's'), ['sess_1']);
    await make(join(temp.path, 'c', 's'), []);
    await make(temp.path, ['d']);
    await make(join(temp.path, 'e', 't'), ['sess_1']);
    expect(await sourceOf(join(temp.path, '*', 's', 'sess_*')).count(never)).toBe(3);
    expect(await sourceOf(join(temp.path, '[!ab]', 's', 'sess_*')).count(never)).toBe(0);
  });

  test('one by its name too', async () => {
    await make(temp.path, ['sess_1', 'sess_2']);
    expect(await sourceOf(join(temp.path, 'sess_1')).count(never)).toBe(1);
    expect(await sourceOf(join(temp.path, 'sess_3')).count(never)).toBe(0);
  });

  test('whatever bytes their names are made of', async () => {
    const name = Buffer.concat([Buffer.from(`${temp.path}/sess_`), Buffer.from([0xff, 0xfe])]);
    await writeFile(name, '');
    await make(temp.path, ['sess_é', 'sess_\n']);
    expect(await sourceOf(join(temp.path, 'sess_*')).count(never)).toBe(3);
    expect(await sourceOf(join(temp.path, 'sess_é')).count(never)).toBe(1);
  });

  test('through a directory of ten thousand without growing with it', async () => {
    await make(temp.path, numbered(10_000));
    const source = sourceOf(join(temp.path, 'sess_*'));
    expect(await source.count(never)).toBe(10_000);
    const before = process.memoryUsage().rss;
    expect(await source.count(never)).toBe(10_000);
    expect(process.memoryUsage().rss - before).toBeLessThan(20e6);
  });
});

test('a directory that takes long is left alone for a while, a small one is not', async () => {
  const clock = new ManualClock(0, new Date());
  await make(temp.path, ['sess_a']);
  const source = sourceOf(join(temp.path, 'sess_*'), clock, 60 * MINUTE_MS);
  await source.count(never);
  expect(source.minPauseMs?.()).toBe(0);
  await make(temp.path, numbered(1_000));
  // 20 ms pass at each turn of the event loop, and a thousand files take many of them.
  expect(await driven(clock, source.count(never))).toBe(1_001);
  expect(source.minPauseMs?.()).toBeGreaterThan(20 * 9);
  expect(source.minPauseMs?.()).toBeLessThanOrEqual(10_000);
});

describe('the number is unknown, and never zero,', () => {
  const reasonOf = async (path: string): Promise<string> =>
    (await refusalOf(() => sourceOf(path).count(never))).message;

  test('when the directory does not exist', async () => {
    const path = join(temp.path, 'gone', 'sess_*');
    expect(await reasonOf(path)).toBe(`${path}: there is no such directory`);
  });

  test('when it ceases to exist', async () => {
    await make(join(temp.path, 'd'), ['sess_1']);
    const source = sourceOf(join(temp.path, 'd', 'sess_*'));
    expect(await source.count(never)).toBe(1);
    await rm(join(temp.path, 'd'), { recursive: true });
    expect(await refusalOf(() => source.count(never))).toMatchObject({ code: 'failed' });
  });

  test('when it is a file', async () => {
    await make(temp.path, ['f']);
    expect(await reasonOf(join(temp.path, 'f', 'sess_*'))).toContain('no such directory');
  });

  test('when no directory is found by its pattern', async () => {
    await make(join(temp.path, 'a'), []);
    expect(await reasonOf(join(temp.path, 'b*', 'sess_*'))).toContain('no such directory');
    expect(await reasonOf(join(temp.path, '*', 's', 'sess_*'))).toContain('no such directory');
  });

  test('when one of several directories cannot be read', async () => {
    await make(join(temp.path, 'a'), ['sess_1']);
    await symlink('loop', join(temp.path, 'loop'));
    expect(await reasonOf(join(temp.path, '*', 'sess_*'))).toContain('ELOOP');
  });

  test('when it may not be read, and when what is in it may not be looked at', async () => {
    if (process.getuid?.() !== 0) return skipped('only root can become nobody');
    await chmod(temp.path, 0o755);
    await make(join(temp.path, 'd'), ['sess_1']);
    const path = join(temp.path, 'd', 'sess_*');
    for (const mode of [0, 0o744]) {
      await chmod(join(temp.path, 'd'), mode);
      const config: SourceConfig = { kind: 'files', path, youngerThanMs: MINUTE_MS, timeoutMs: 20_000 };
      const [program = '', ...args] = fixture('counts-as-nobody', JSON.stringify(config));
      const { stdout } = await promisify(execFile)(program, args);
      expect(stdout).toMatch(`failed ${path}: cannot be read: EACCES`);
    }
  });
});

describe('a name matches a pattern', () => {
  const matching = (pattern: string, name: string): boolean => {
    const [part = '']: readonly GlobPart[] = parseGlob(`/${pattern}`);
    return typeof part === 'string' ? part === name : matches(part, name);
  };
  test.each([
    ['sess_*', 'sess_', true],
    ['sess_*', 'sess_abc', true],
    ['sess_*', 'sess', false],
    ['*', 'a', true],
    ['*', '.a', false],
    ['.*', '.a', true],
    ['?', 'a', true],
    ['?', '.', false],
    ['?', 'ab', false],
    ['a?c', 'abc', true],
    ['*.s?s', 'a.b.sss', true],
    ['a*b*c', 'axbxbxc', true],
    ['a*b*c', 'axbxbx', false],
    ['[abc]', 'b', true],
    ['[abc]', 'd', false],
    ['[!abc]', 'd', true],
    ['[^abc]', 'a', false],
    ['[a-c]x', 'bx', true],
    ['[a-c]x', 'dx', false],
    ['[-a]', '-', true],
    ['[a-]', '-', true],
    ['[]a]', ']', true],
    ['[*]', '*', true],
    ['[*]', 'a', false],
    ['[', '[', true],
    ['a[', 'a[', true],
    ['a.b', 'axb', false],
    ['a+', 'aa', false],
  ])('%s and %s: %s', (pattern, name, expected) => {
    expect(matching(pattern, name)).toBe(expected);
  });

  test('or not, in a moment, however many asterisks there are', () => {
    expect(matching(`${'*a'.repeat(100)}b`, 'a'.repeat(255))).toBe(false);
  });

  test.each(['s/a_*', '/s/', '/', ''])('and %j is refused, for it is no path of files', async (path) => {
    expect(await refusalOf(() => parseGlob(path))).toMatchObject({ code: 'config', target: path });
  });
});
