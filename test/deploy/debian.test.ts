import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { execFile } from 'node:child_process';
import { mkdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { messageOf } from '../../agent/system/error.ts';
import { packageRoot } from '../support/sample.ts';
import { skipped } from '../support/skip.ts';
import { makeTempDir, type TempDir } from '../support/tempdir.ts';

/** The Debian package as a file; what dpkg does with it on a whole system is in test/host. */

const execute = promisify(execFile);
const MEGABYTES = 5;
const MAKER = join(packageRoot(), 'deploy', 'debian');
let temp: TempDir;
/** Why there is no package. */
let missing: string | null = null;
let first: string;
/** As they are unpacked, directories left out. */
let entries: readonly { readonly mode: string; readonly path: string }[] = [];

const make = async (folder: string): Promise<string> => {
  await mkdir(folder);
  // Without it the time of the last commit, which a copy without git has not.
  const env = { ...process.env, SOURCE_DATE_EPOCH: '1700000000' };
  return (await execute(process.execPath, [join(MAKER, 'build.mjs'), folder], { env })).stdout.trim();
};
const dpkg = async (...words: readonly string[]): Promise<string> =>
  (await execute('dpkg-deb', words)).stdout;

beforeAll(async () => {
  temp = await makeTempDir();
  try {
    await dpkg('--version');
  } catch (error) {
    missing = `dpkg-deb cannot be run: ${messageOf(error)}`;
    return;
  }
  first = await make(join(temp.path, 'first'));
  entries = (await dpkg('--contents', first)).split('\n').flatMap((line) => {
    const [, mode = '', path = ''] = /^([-l]\S+) root\/root +\d+ \S+ \S+ \.\/(.*)$/.exec(line) ?? [];
    return mode === '' ? [] : [{ mode, path }];
  });
}, 60_000);
afterAll(() => temp.remove());

describe('The Debian package', () => {
  test('is small, and needs a Node that runs the program', async () => {
    if (missing !== null) return skipped(missing);
    const { size } = await stat(first);
    process.stderr.write(`Debian package: ${entries.length} files, ${Math.ceil(size / 1_000)} kB\n`);
    expect(size).toBeLessThan(MEGABYTES * 1_000_000);
    const { version, engines } = JSON.parse(await readFile(join(packageRoot(), 'package.json'), 'utf8')) as {
      readonly version: string;
      readonly engines: { readonly node: string };
    };
    expect(await dpkg('--field', first, 'Version')).toBe(`${version}\n`);
    expect(await dpkg('--field', first, 'Depends')).toContain(
      `nodejs (>= ${engines.node.replace('>=', '')})`,
    );
    expect(await dpkg('--field', first, 'Description')).not.toContain('$');
  });

  test('has the program, the unit, completion and what to copy, and nothing active in /etc', () => {
    if (missing !== null) return skipped(missing);
    const paths = entries.map(({ path }) => path);
    expect(paths).toEqual(
      expect.arrayContaining([
        'usr/bin/lastcall -> ../lib/lastcall/lastcall.cjs',
        'usr/lib/systemd/system/lastcall.service',
        'usr/lib/systemd/system/lastcall.target',
        'usr/lib/tmpfiles.d/lastcall.conf',
        'usr/share/bash-completion/completions/lastcall',
        'usr/share/zsh/vendor-completions/_lastcall',
        'usr/share/fish/vendor_completions.d/lastcall.fish',
        'usr/share/doc/lastcall/copyright',
        'usr/share/doc/lastcall/changelog.gz',
        'usr/share/lastcall/deploy/lastcall.yaml',
        'usr/share/lastcall/deploy/polkit/50-lastcall.rules',
        'usr/share/lastcall/deploy/systemd/app.service.d/10-lastcall.conf',
      ]),
    );
    expect(paths.filter((path) => /^etc\/|polkit-1|\/deploy\/(?:debian|container)\//.test(path))).toEqual([]);
    expect(entries.filter(({ mode }) => !/^(?:-rw-r--r--|-rwxr-xr-x|lrwxrwxrwx)$/.test(mode))).toEqual([]);
  });

  test('puts lastcall.cjs in place after every part that it loads, and runs it by the Node it depends on', async () => {
    if (missing !== null) return skipped(missing);
    const program = entries.map(({ path }) => path).filter((path) => path.startsWith('usr/lib/lastcall/'));
    expect(program.at(-1)).toBe('usr/lib/lastcall/lastcall.cjs');
    expect(program.length).toBeGreaterThan(10);
    const unpacked = join(temp.path, 'unpacked');
    await dpkg('--extract', first, unpacked);
    const text = await readFile(join(unpacked, 'usr/lib/lastcall/lastcall.cjs'), 'utf8');
    expect(text.split('\n')[0]).toBe('#!/usr/bin/node');
  });

  test('is the same, byte for byte, when it is made once more', async () => {
    if (missing !== null) return skipped(missing);
    const again = await make(join(temp.path, 'again'));
    expect((await readFile(again)).equals(await readFile(first))).toBe(true);
  });
});

test('The scripts for dpkg are clean by shellcheck', async () => {
  const scripts = ['postinst', 'prerm', 'postrm'].map((name) => join(MAKER, name));
  const found = await new Promise<string>((resolve) => {
    execFile('shellcheck', scripts, (error, stdout) =>
      resolve(error === null ? '' : String(error.code === 'ENOENT' ? error.code : stdout)),
    );
  });
  if (found === 'ENOENT') return skipped('shellcheck is not installed');
  expect(found).toBe('');
});
