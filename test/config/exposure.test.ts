import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { execFile } from 'node:child_process';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { parse } from 'yaml';
import { readConfig } from '../../agent/config/load.ts';
import { refusalOf } from '../support/outcome.ts';
import { packageRoot } from '../support/sample.ts';
import { makeTempDir, type TempDir } from '../support/tempdir.ts';
import { CONTEXT, MINIMAL, load, problemsOf } from './support.ts';

const run = promisify(execFile);

type Leaf = readonly (string | number)[];

/** Where each plain value of a document stands. */
function leavesOf(value: unknown, path: Leaf = []): Leaf[] {
  if (typeof value !== 'object' || value === null) return [path];
  return Object.entries(value).flatMap(([key, item]) =>
    leavesOf(item, [...path, Array.isArray(value) ? Number(key) : key]),
  );
}

function withLeaf(value: unknown, [key, ...below]: Leaf, leaf: unknown): unknown {
  if (key === undefined) return leaf;
  if (Array.isArray(value)) return value.map((item, at) => (at === key ? withLeaf(item, below, leaf) : item));
  const object = value as Record<string, unknown>;
  return { ...object, [key]: withLeaf(object[String(key)], below, leaf) };
}

describe('a value of the environment', () => {
  const LONG = `CANARY-${'s3cr3t '.repeat(40)}CANARY`;
  test.each(['CANARY-s3cr3t', LONG, 'CANARY"\\\u0007/é'])(
    'stands in no message, wherever in the sample it came: %j',
    async (secret) => {
      const sample: unknown = parse(await readFile(join(packageRoot(), 'deploy/lastcall.yaml'), 'utf8'));
      const told = { problems: 0, warnings: 0 };
      for (const path of leavesOf(sample)) {
        for (const written of ['${SECRET}', 'x${SECRET}y']) {
          const text = JSON.stringify(withLeaf(sample, path, written));
          const loaded = await load(text, { env: { SECRET: secret } });
          const said = loaded.ok ? loaded.warnings : loaded.problems;
          told[loaded.ok ? 'warnings' : 'problems'] += 1;
          expect([path, JSON.stringify(said).includes('CANARY')]).toEqual([path, false]);
        }
      }
      expect(told.problems).toBeGreaterThan(50);
    },
    60_000,
  );

  test.each([
    [
      'drain:\n  timeout: "${V}"\n',
      'CANARY',
      '5:12: drain.timeout: "${V}" is not a duration, write for example 500ms, 2s, 5m or 1h30m (from ${V})',
    ],
    [
      'ignoreServers: [ "${V}" ]\n',
      'app/app1',
      '4:18: ignoreServers[0]: ${V} is listed in servers (from ${V})',
    ],
  ])('is shown as its name (%#)', async (added, value, told) => {
    expect(await problemsOf(MINIMAL + added, { env: { V: value } })).toEqual([told]);
  });

  test('is shown as its name where an answer looks like another one', async () => {
    const added =
      'listen:\n  health:\n    address: 127.0.0.1:1\n    up: { body: "${V}" }\n    drain: { body: "no ${V}" }\n';
    const loaded = await load(MINIMAL + added, { env: { V: 'CANARY' } });
    expect(JSON.stringify(loaded.ok && loaded.warnings)).not.toContain('CANARY');
    expect(JSON.stringify(loaded.ok && loaded.warnings)).toContain('looks for');
  });
});

test('what the group of the control socket may do is a warning', async () => {
  const warned = async (text: string): Promise<readonly string[]> => {
    const loaded = await load(`${MINIMAL}${text}`);
    return loaded.ok ? loaded.warnings : loaded.problems.map(({ message }) => message);
  };
  expect(await warned('listen: { control: { mode: "0660", group: deploy } }\n')).toEqual([
    'listen.control.mode: the members of deploy can also reboot this machine where the sidecar may',
  ]);
  const pool = 'pool: { name: app }\nlock: { file: /run/lock/lastcall/app }\n';
  expect(await warned(`${pool}listen: { control: { mode: "0620" } }\n`)).toEqual([
    'listen.control.mode: the members of the group of lastcall can also reboot this machine where the sidecar may, and free slots of its pool',
  ]);
  expect(await warned('listen: { control: { mode: "0640", group: deploy } }\n')).toEqual([]);
});

test('what is open to others is a warning', async () => {
  const warned = async (text: string): Promise<readonly string[]> => {
    const loaded = await load(text);
    return loaded.ok ? loaded.warnings : loaded.problems.map(({ message }) => message);
  };
  const polled = (how: string): string =>
    `balancers:\n  - ${how}\nsessions:\n  - tcp: 8080\nlisten:\n  agentCheck: { address: 127.0.0.1:1 }\n  health: 127.0.0.1:2\n`;
  const wide = expect.stringContaining('is taken for this balancer');
  for (const [from, isWide] of [
    ['10.0.0.0/28', true],
    ['0.0.0.0/0', true],
    ['10.0.0.0/29', false],
    ['10.0.0.1', false],
    ['fd00::/124', true],
    ['::/0', true],
    ['fd00::/125', false],
  ] as const) {
    for (const kind of ['agentCheck', 'health']) {
      const said = await warned(polled(`${kind}: { from: ["${from}"] }`));
      expect([from, kind, said.some((text) => text.includes('is taken for'))]).toEqual([from, kind, isWide]);
    }
  }
  expect(await warned(polled('agentCheck: { from: [0.0.0.0/0], id: lb4 }'))).not.toContainEqual(wide);
  const open = await warned(
    `${MINIMAL}listen:\n  agentCheck: { address: "0.0.0.0:1" }\n  health: { address: "[::]:2" }\n  metrics: 0.0.0.0:3\n`,
  );
  for (const port of ['agentCheck', 'health', 'metrics'])
    expect(open).toContainEqual(expect.stringContaining(`listen.${port} answers every host`));
  const closed = await warned(
    `${MINIMAL}listen:\n  agentCheck: { address: "0.0.0.0:1", allow: [10.0.0.0/24] }\n  metrics: 127.0.0.1:3\n`,
  );
  expect(closed).toEqual([]);
});

describe('a file', () => {
  let dir: TempDir;
  beforeEach(async () => {
    dir = await makeTempDir();
  });
  afterEach(() => dir.remove());
  const at = (name: string): string => join(dir.path, name);
  const warnings = async (): Promise<string> => {
    const loaded = await readConfig(at('lastcall.yaml'), CONTEXT);
    return loaded.ok ? loaded.warnings.join('\n') : JSON.stringify(loaded.problems);
  };

  test('that others may change, or a secret that all may read, is warned of', async () => {
    await mkdir(at('bin'));
    const files = ['bin/probe', 'bin/start', 'bin/stop', 'bin/on', 'bin/off', 'bin/warn', 'bin/count'];
    for (const name of files) await writeFile(at(name), '', { mode: 0o755 });
    for (const name of ['key', 'password']) await writeFile(at(name), 'x', { mode: 0o600 });
    const config = {
      balancers: [
        { haproxy: 'tls://h:1', tls: { ca: at('ca'), cert: at('cert'), key: at('key') }, servers: ['a/b'] },
      ],
      app: {
        probe: { command: [at('bin/probe')] },
        start: { command: [at('bin/start')] },
        stop: { command: [at('bin/stop')], gone: { port: 8080 } },
      },
      sessions: [
        { command: [at('bin/count')] },
        { tomcat: { url: 'http://h/manager', user: 'u', passwordFile: at('password'), context: '/a' } },
      ],
      drain: {
        gate: { on: [at('bin/on')], off: [at('bin/off')] },
        warn: [{ command: [at('bin/warn')], before: '1m' }],
      },
    };
    await writeFile(at('lastcall.yaml'), JSON.stringify(config), { mode: 0o640 });
    expect(await warnings()).toBe('');
    for (const name of ['lastcall.yaml', ...files]) {
      for (const mode of [0o757, 0o775]) {
        await chmod(at(name), mode);
        expect(await warnings()).toContain(`${at(name)} may be changed by others`);
      }
      await chmod(at(name), 0o755);
    }
    for (const name of ['key', 'password']) {
      await chmod(at(name), 0o644);
      expect(await warnings()).toContain(`${at(name)} may be read by every user`);
      await chmod(at(name), 0o640);
    }
    expect(await warnings()).toBe('');
    await chmod(at('bin'), 0o777);
    expect(await warnings()).toContain(`${at('bin/stop')} may be changed by others`);
    await chmod(at('bin'), 0o1777);
    expect(await warnings()).toBe('');
  });

  test('that is a pipe is read to its end, and waited for no longer than two seconds', async () => {
    await run('mkfifo', [at('lastcall.yaml')]);
    const began = performance.now();
    expect((await refusalOf(() => readConfig(at('lastcall.yaml'), CONTEXT))).message).toContain(
      'a pipe without a writer',
    );
    expect(performance.now() - began).toBeLessThan(10_000);
    const writing = writeFile(at('lastcall.yaml'), MINIMAL);
    expect(await readConfig(at('lastcall.yaml'), CONTEXT)).toMatchObject({ ok: true });
    await writing;
  });
});

test.each([
  ['keys', Array.from({ length: 60_000 }, (_none, n) => `k${n}: 1`).join('\n'), 'more than 10000 values'],
  ['values', `a: [${'x,'.repeat(300_000)}]`, 'more than 10000 values'],
  ['quoted ones', `a: [${'"",'.repeat(200_000)}]`, 'more than 10000 values'],
  [
    'anchors',
    `a: [${Array.from({ length: 50_000 }, (_none, n) => `&a${n} 1`).join()}]`,
    'more than 100 anchors',
  ],
])('a million bytes of %s are refused soon', async (_what, text, told) => {
  const began = process.cpuUsage();
  expect((await problemsOf(text))[0]).toContain(told);
  const { user, system } = process.cpuUsage(began);
  expect((user + system) / 1e6).toBeLessThan(2);
});
