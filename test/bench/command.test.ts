import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { start } from '../support/cli.ts';
import { processesWith } from '../support/marked-processes.ts';
import { packageRoot } from '../support/sample.ts';
import { until } from '../support/until.ts';
import type { BenchReport } from './page/page.ts';
import { PARTS } from './parts.ts';
import { faultOfXml } from './well-formed.ts';

test('each command in README is one of a part', async () => {
  const readme = await readFile(join(packageRoot(), 'README.md'), 'utf8');
  const named = [...readme.matchAll(/npm run bench -- --only (\w+)/g)].map(([, part = '']) => part);
  expect(named).toContain('poll');
  expect(named.filter((part) => !(part in PARTS))).toEqual([]);
});

describe('npm run bench', () => {
  const main = join(packageRoot(), 'dist', 'test', 'bench', 'main.js');
  let dir = '';
  beforeAll(async () => void (dir = await mkdtemp(join(tmpdir(), 'lastcall-bench-test-'))));
  afterAll(() => rm(dir, { recursive: true }));

  test('plays one part, prints its table and writes the page and the JSON', async () => {
    const [html, json] = [join(dir, 'bench.html'), join(dir, 'bench.json')];
    const { code, stdout } = await start(process.execPath, [
      main,
      '--only',
      'eta',
      '--html',
      html,
      '--json',
      json,
    ]).outcome;
    expect({ code, end: stdout.trimEnd().split('\n').at(-1) }).toEqual({ code: 0, end: `the page: ${html}` });
    expect(stdout).toMatch(/^eta: at most 1 min 0 s\n[^]*^took 0 min \d+ s: eta \S+ s$/m);
    expect(faultOfXml(await readFile(html, 'utf8'))).toBeNull();
    const { parts } = JSON.parse(await readFile(json, 'utf8')) as BenchReport;
    expect(parts.map(({ name }) => name)).toEqual(['eta']);
  });

  test.each([
    { signal: 'SIGTERM', code: 143 },
    { signal: 'SIGKILL', code: null },
  ] as const)('$signal in the middle of a part leaves no process and no file', async ({ signal, code }) => {
    const own = await mkdtemp(join(tmpdir(), 'lcs-'));
    const bench = start(process.execPath, [main, '--only', 'flood', '--html', join(dir, `${signal}.html`)], {
      TMPDIR: own,
    });
    // Itself, its reaper, three applications, HAProxy and its worker, a sidecar.
    await until('the part runs', () => processesWith(own).length >= 8);
    bench.child.kill(signal);
    const { code: ended, stdout } = await bench.outcome;
    expect(ended).toBe(code);
    if (signal === 'SIGTERM')
      expect(stdout).toMatch(/nothing was measured\ninterrupted by SIGTERM: not measured: flood\n/);
    await until('all of them have ended', () => processesWith(own).length === 0);
    expect(await readdir(own)).toEqual([]);
    await rm(own, { recursive: true });
  });

  test.each([
    { words: ['--only', 'nothing'], says: '--only: one of eta, ' },
    { words: ['--runs', '0'], says: '--runs: a whole number of 1 or more' },
    { words: ['--more'], says: "Unknown option '--more'" },
  ])('$words is 64', async ({ words, says }) => {
    const { code, stderr } = await start(process.execPath, [main, ...words]).outcome;
    expect({ code, stderr }).toEqual({ code: 64, stderr: expect.stringContaining(says) });
  });
});
