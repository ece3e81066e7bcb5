import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { execFile } from 'node:child_process';
import { cp, readdir, readFile, stat, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { packageRoot } from './support/sample.ts';
import { makeTempDir, type TempDir } from './support/tempdir.ts';

const execute = promisify(execFile);
const kilobytes = (bytes: number): string => `${Math.ceil(bytes / 1_000)} kB`;

describe('The package that `npm pack` makes in a clone that was never built', () => {
  let temp: TempDir;
  let installed: string;
  let archive: string;
  let files: readonly string[];

  beforeAll(async () => {
    temp = await makeTempDir();
    const clone = join(temp.path, 'clone');
    installed = join(temp.path, 'package');
    const made = new Set(['.git', 'dist', 'node_modules'].map((name) => join(packageRoot(), name)));
    await cp(packageRoot(), clone, { recursive: true, filter: (from) => !made.has(from) });
    await symlink(join(packageRoot(), 'node_modules'), join(clone, 'node_modules'));
    await execute('npm', ['pack', '--silent', '--pack-destination', temp.path], { cwd: clone });
    const { version } = JSON.parse(await readFile(join(clone, 'package.json'), 'utf8')) as {
      readonly version: string;
    };
    archive = `lastcall-${version}.tgz`;
    await execute('tar', ['-xf', join(temp.path, archive), '-C', temp.path]);
    files = (await readdir(installed, { recursive: true, withFileTypes: true }))
      .filter((entry) => entry.isFile())
      .map(({ parentPath, name }) => join(parentPath, name).slice(installed.length + 1));
  }, 300_000);
  afterAll(() => temp.remove(), 120_000);

  test('holds the program, the files to deploy and nothing of the tests', () => {
    expect(files).toEqual(
      expect.arrayContaining([
        'dist/bundle/lastcall.cjs',
        'dist/bundle/THIRD-PARTY.txt',
        'dist/man/lastcall.1',
        'deploy/count-users.md',
        'deploy/operations.md',
        'deploy/etcd.md',
        'deploy/lastcall.schema.json',
        'deploy/systemd/lastcall.service',
        'deploy/systemd/app.service.d/10-lastcall.conf',
        'deploy/polkit/50-lastcall.rules',
        'deploy/lastcall.yaml',
        'haproxy/haproxy.cfg',
        'haproxy/reload.sh',
        'agent/control/API.md',
      ]),
    );
    expect(files.filter((file) => file.endsWith('.map') || /^(dist\/)?(test|agent)\//.test(file))).toEqual([
      'agent/control/API.md',
    ]);
  });

  test('has at most 40 files and 2 MB', async () => {
    const sizes = await Promise.all(files.map(async (file) => (await stat(join(installed, file))).size));
    const bytes = sizes.reduce((sum, size) => sum + size);
    const packed = (await stat(join(temp.path, archive))).size;
    process.stderr.write(
      `npm package: ${files.length} files, ${kilobytes(bytes)} unpacked, ${kilobytes(packed)} packed\n`,
    );
    expect(files.length).toBeLessThanOrEqual(40);
    expect(bytes).toBeLessThanOrEqual(2_000_000);
  });

  test('runs without any other package', async () => {
    const program = join(installed, 'dist', 'bundle', 'lastcall.cjs');
    const { version } = JSON.parse(await readFile(join(installed, 'package.json'), 'utf8')) as {
      readonly version: string;
    };
    expect((await execute(program, ['--version'])).stdout).toBe(`${version}\n`);
    const checked = await execute(program, ['check', '-c', join(installed, 'deploy', 'lastcall.yaml')], {
      env: { ...process.env, CONF_PASSWORD: 'x' },
    });
    expect(checked.stdout).toContain(': ok (node ');
  });

  test('shows the licence of each package of which it has a part', async () => {
    const text = await readFile(join(installed, 'dist', 'bundle', 'THIRD-PARTY.txt'), 'utf8');
    const { inputs } = JSON.parse(
      await readFile(join(temp.path, 'clone', 'dist', 'bundle.json'), 'utf8'),
    ) as { readonly inputs: Record<string, unknown> };
    const names = Object.keys(inputs).flatMap(
      (input) => /node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(input)?.[1] ?? [],
    );
    expect(new Set(names).size).toBeGreaterThan(8);
    for (const name of new Set(names)) {
      const notice = text.split('='.repeat(80)).find((part) => part.startsWith(`\n${name} `)) ?? '';
      expect(notice).toMatch(/permission (is hereby granted|to use)|apache license/i);
      expect(notice).toMatch(/copyright/i);
    }
  });
});

test('npm links the man page: its version 11 does so for a list only', async () => {
  const { man } = JSON.parse(await readFile(join(packageRoot(), 'package.json'), 'utf8')) as {
    readonly man: unknown;
  };
  expect(man).toEqual(['dist/man/lastcall.1']);
});

test('Nothing of ours runs when the package is installed', async () => {
  const { scripts } = JSON.parse(await readFile(join(packageRoot(), 'package.json'), 'utf8')) as {
    readonly scripts: Readonly<Record<string, string>>;
  };
  expect(Object.keys(scripts)).not.toEqual(
    expect.arrayContaining([expect.stringMatching(/^(pre|post)?install$/)]),
  );
  // npm runs only `prepare` for a package from git, and `npm pack` runs both.
  expect(scripts['prepare']).toBe(scripts['prepack']);
  // It would keep them from running, too.
  expect(await readFile(join(packageRoot(), '.npmrc'), 'utf8')).not.toContain('ignore-scripts');
});
