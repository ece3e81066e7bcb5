import { describe, expect, test } from '@jest/globals';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { linesOf, load, MINIMAL } from '../config/support.ts';
import { repositoryFiles, textOf } from '../support/repository.ts';
import { packageRoot, searchPath } from '../support/sample.ts';
import { sampleYaml } from '../support/sample-site.ts';

const execute = promisify(execFile);

const HAPROXY = repositoryFiles('haproxy').filter((file) => /\.(cfg|sh|conf)$/.test(file));
const DEPLOY = repositoryFiles('deploy').filter((file) => /^deploy\/(?:samples|ansible)\//.test(file));
const SAMPLES = HAPROXY.filter((file) => file.startsWith('haproxy/samples/') && file.endsWith('.cfg'));

interface Row {
  /** The files and folders that it links, relative to the repository's root. */
  readonly links: readonly string[];
  /** Test files, relative to test/. */
  readonly tests: readonly string[];
}

/** The rows of deploy/samples.md. */
function rows(): Row[] {
  const lines = textOf('deploy/samples.md').matchAll(/^\| (\[[^|]+)\|[^|]+\|([^|]+)\|$/gm);
  return [...lines].map(([, cell = '', tested = '']) => ({
    links: [...cell.matchAll(/\]\(([^)]+)\)/g)].map(([, link = '']) => join('deploy', link)),
    tests: [...tested.matchAll(/`([^`]+\.ts)`/g)].map(([, file = '']) => file),
  }));
}

describe('The table of samples', () => {
  test('has every HAProxy file and every sample, and names tests that there are', () => {
    const links = rows().flatMap((row) => row.links);
    const isListed = (file: string): boolean =>
      links.some((link) => file === link || file.startsWith(`${link}/`));
    expect([...HAPROXY, ...DEPLOY].filter((file) => !isListed(file))).toEqual([]);
    expect(links.filter((link) => !existsSync(join(packageRoot(), link)))).toEqual([]);
    const tests = rows().flatMap((row) => row.tests);
    expect(rows().filter((row) => row.tests.length === 0)).toEqual([]);
    expect(tests.filter((file) => !existsSync(join(packageRoot(), 'test', file)))).toEqual([]);
  });
});

test.each(DEPLOY.filter((file) => /^deploy\/samples\/[^/]+\.yaml$/.test(file)))(
  '%s is a right configuration',
  async (file) => {
    const loaded = await load(textOf(file));
    expect(linesOf(loaded)).toEqual([]);
    // Every file with `master` is warned of some versions of HAProxy.
    const warnings = loaded.ok
      ? loaded.warnings.filter((one) => !one.startsWith('balancers[0].master: '))
      : [];
    expect(warnings).toEqual([]);
  },
);

describe.each(SAMPLES)('%s', (file) => {
  test('is read by HAProxy without an alert', async () => {
    const env = { ...process.env, LB_UNPRIVILEGED: '1', PATH: searchPath() };
    await expect(
      execute('haproxy', ['-c', '-q', '-f', join(packageRoot(), file)], { env }),
    ).resolves.toBeDefined();
  });

  test('has a right configuration of lastcall in its head', async () => {
    const yaml = sampleYaml(file.slice('haproxy/'.length));
    const text = /^balancers:/m.test(yaml) ? yaml : `${MINIMAL}${yaml}`;
    expect(yaml).not.toBe('');
    // What is bound to certificates is looked for when they are there.
    const missing = /no such file/;
    expect(linesOf(await load(text)).filter((line) => !missing.test(line))).toEqual([]);
  });

  test('asks for nothing that throws users out', () => {
    const lines = textOf(file).replaceAll(/^ *#.*$/gm, '');
    expect(lines).not.toMatch(/on-marked-|force-persist|use-server|maxidle|maxlife/);
  });
});
