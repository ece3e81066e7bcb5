import { expect, test } from '@jest/globals';
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { packageRoot } from './support/sample.ts';

const execute = promisify(execFile);

test('The package has the program, the files to deploy and no source map, and runs nothing when it is installed', async () => {
  // Without prepack: other tests run the program that it would build anew.
  const { stdout } = await execute('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
    cwd: packageRoot(),
  });
  const [packed] = JSON.parse(stdout) as [{ readonly files: readonly { readonly path: string }[] }];
  const files = packed.files.map(({ path }) => path);
  expect(files).toEqual(
    expect.arrayContaining(['dist/agent/main.js', 'deploy/systemd/lastcall.service', 'haproxy/haproxy.cfg']),
  );
  expect(files.filter((file) => file.endsWith('.map') || /^(dist\/)?test\//.test(file))).toEqual([]);

  const { scripts } = JSON.parse(await readFile(join(packageRoot(), 'package.json'), 'utf8')) as {
    readonly scripts: Readonly<Record<string, string>>;
  };
  // A clone that was never built packs a program.
  expect(scripts['prepack']).toContain('tsc');
  expect(Object.keys(scripts)).not.toEqual(
    expect.arrayContaining([expect.stringMatching(/^(pre|post)?install$/)]),
  );
  expect(await readFile(join(packageRoot(), '.npmrc'), 'utf8')).not.toContain('ignore-scripts');
});
