import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { LASTCALL, start } from '../support/cli.ts';
import { packageRoot } from '../support/sample.ts';
import { makeTempDir, type TempDir } from '../support/tempdir.ts';

/** esbuild's report of the files that it made. */
interface Made {
  readonly outputs: Readonly<Record<string, { readonly inputs: object }>>;
}

/** What a command loads of the program, until its end. */
interface Loaded {
  readonly bytes: number;
  /** Modules of ours, without `agent/`. */
  readonly modules: readonly string[];
  readonly packages: readonly string[];
  /** Node's own modules. */
  readonly natives: readonly string[];
}

let temp: TempDir;
beforeAll(async () => {
  temp = await makeTempDir();
});
afterAll(() => temp.remove());

/** Says at the end what Node has loaded. It asks for nothing that a command may load. */
const PRELOAD = `process.on('exit', () => {
  for (const name of process.moduleLoadList) process._rawDebug(name);
  for (const path of Object.keys(require.cache)) process._rawDebug('file://' + path);
});`;

async function loadedBy(...words: readonly string[]): Promise<Loaded> {
  const preload = join(temp.path, 'preload.cjs');
  await writeFile(preload, PRELOAD);
  const { stderr } = await start(process.execPath, ['--require', preload, LASTCALL, ...words]).outcome;
  const { outputs } = JSON.parse(await readFile(join(packageRoot(), 'dist', 'bundle.json'), 'utf8')) as Made;
  const paths = [...stderr.matchAll(/^file:\/\/(.*)$/gm)].map(([, path = '']) => path);
  const parts = paths.filter((path) => relative(packageRoot(), path) in outputs);
  const sizes = await Promise.all(parts.map(async (path) => (await stat(path)).size));
  const inputs = parts.flatMap((path) => Object.keys(outputs[relative(packageRoot(), path)]?.inputs ?? {}));
  const packages = inputs.flatMap((input) => /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(input)?.[1] ?? []);
  return {
    bytes: sizes.reduce((sum, bytes) => sum + bytes, 0),
    modules: inputs.flatMap((input) => /^agent\/(.*)$/.exec(input)?.[1] ?? []),
    packages: [...new Set(packages)],
    natives: [...stderr.matchAll(/^NativeModule (.*)$/gm)].map(([, name = '']) => name),
  };
}

test('No part of the program has a character beyond ASCII: V8 would keep the whole part with two bytes for each', async () => {
  const { outputs } = JSON.parse(await readFile(join(packageRoot(), 'dist', 'bundle.json'), 'utf8')) as Made;
  expect(Object.keys(outputs).length).toBeGreaterThan(10);
  for (const path of Object.keys(outputs)) {
    const text = await readFile(join(packageRoot(), path), 'utf8');
    expect([path, /[^\n\x20-\x7E\t]/.exec(text)?.[0]]).toEqual([path, undefined]);
  }
});

test('Names of functions stay, so that a stack trace names what the sources name; others become short', async () => {
  const text = `function outer(first){let inner=(second)=>{throw new Error(second)},waits=async(third)=>third,
    old=function(fourth){return fourth};return waits(inner(first),old(first))}export{outer};`;
  const program = `import { toCommonJs } from ${JSON.stringify(join(packageRoot(), 'agent', 'common-js.mjs'))};
    process.stdout.write(await toCommonJs(${JSON.stringify(text)}));`;
  const { outcome } = start(process.execPath, ['--input-type=module', '-e', program]);
  const { stdout } = await outcome;
  for (const name of ['outer', 'inner', 'waits', 'old']) expect(stdout).toMatch(new RegExp(`\\b${name}\\b`));
  for (const name of ['first', 'second', 'third', 'fourth']) expect(stdout).not.toContain(name);
});

// Each byte that is loaded is parsed at every call; the figures in seconds are those of `npm run bench`.
describe('A command loads only what it needs', () => {
  test('status: neither commander nor another command', async () => {
    const { bytes, modules, packages, natives } = await loadedBy('status', '--socket', '/nonexistent/socket');
    expect(modules).toContain('cli/plain-line.ts');
    expect(modules).not.toContain('cli/parse.ts');
    expect(packages).toEqual([]);
    // Three small modules are for `check`, which so does without the part of the other verbs.
    expect(bytes).toBeLessThan(46_000);
    for (const one of ['child_process', 'crypto', 'http', 'tls', 'v8']) expect(natives).not.toContain(one);
    // An ES module would be given every export of `fs`, and with it streams and promises.
    for (const one of ['internal/modules/esm/loader', 'internal/fs/streams', 'internal/fs/promises'])
      expect(natives).not.toContain(one);
  });

  test('status --watch: commander, and no engine', async () => {
    const { modules, packages } = await loadedBy('status', '--watch', '--socket', '/nonexistent/socket');
    expect(modules).toContain('cli/watch.ts');
    expect(modules).not.toContain('compose.ts');
    expect(packages).toEqual(['commander']);
  });

  test.each(['drain', 'stop', 'ready', 'restart', 'reboot', 'hold', 'release', 'unlock'])(
    '%s by a sidecar: commander, and no engine',
    async (verb) => {
      const words = verb === 'unlock' ? [verb, 'app9', '--reason', 'x'] : [verb, '--reason', 'x'];
      const { modules, packages, natives } = await loadedBy(...words, '--socket', '/nonexistent/socket');
      expect(modules).toContain('cli/parse.ts');
      expect(modules).not.toContain('compose.ts');
      expect(packages).toEqual(['commander']);
      for (const one of ['http', 'tls', 'child_process', 'crypto']) expect(natives).not.toContain(one);
    },
  );

  test('completion and help: commander, and no engine', async () => {
    for (const words of [['completion', 'bash'], ['--help']]) {
      const { modules, packages } = await loadedBy(...words);
      expect(modules).not.toContain('compose.ts');
      expect(packages).not.toContain('zod');
    }
  });

  const direct = ['--haproxy', '/nonexistent/socket', '--server', 'a/b'] as const;

  test('direct mode: the engine, and neither the configuration nor the log, the metrics or HTTP', async () => {
    const { bytes, modules, packages, natives } = await loadedBy('drain', '--dry-run', ...direct);
    expect(modules).toContain('compose.ts');
    for (const one of ['drivers.ts', 'fleet/create.ts', 'app/create.ts', 'sessions/create.ts'])
      expect(modules).not.toContain(one);
    for (const one of ['axios', 'winston', 'zod', 'yaml', 'prom-client']) expect(packages).not.toContain(one);
    for (const one of [
      'https',
      'http',
      'tls',
      'child_process',
      'dns',
      'crypto',
      'internal/modules/esm/loader',
    ])
      expect(natives).not.toContain(one);
    expect(bytes).toBeLessThan(515_000);
  });

  test('direct mode with a URL: axios, and of it only what is asked of it', async () => {
    const { modules, packages, natives } = await loadedBy(
      'drain',
      '--sessions',
      'http://127.0.0.1:1/',
      ...direct,
    );
    expect(modules).toContain('sessions/create.ts');
    expect(packages).toContain('axios');
    // axios looks for what it could do (bundle.mjs).
    expect(natives).toContain('http');
    for (const one of ['internal/deps/undici/undici', 'http2']) expect(natives).not.toContain(one);
  });

  test('check: the configuration, and neither commander nor the engine nor the log', async () => {
    const { modules, packages } = await loadedBy(
      'check',
      '-c',
      join(packageRoot(), 'deploy', 'lastcall.yaml'),
    );
    expect(packages).toEqual(expect.arrayContaining(['zod', 'yaml']));
    for (const one of ['compose.ts', 'cli/parse.ts']) expect(modules).not.toContain(one);
    for (const one of ['commander', 'winston', 'axios', 'prom-client']) expect(packages).not.toContain(one);
  });
});
