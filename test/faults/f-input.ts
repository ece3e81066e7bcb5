import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { lastcall } from '../support/cli.ts';
import { startFake } from '../support/fake-haproxy.ts';
import { compare, type Fault, type FaultSeen } from './fault.ts';
import type { FaultStage } from './fault-stage.ts';

/** Configuration files and names that nothing good can be made of. */

const LEAST = 'balancers: [{ haproxy: /run/none.sock, servers: [app/app1] }]\n';

interface Checked {
  readonly code: number | null;
  readonly stderr: string;
}

/** `lastcall check` of this text. */
async function check(dir: string, text: string, verb = 'check'): Promise<Checked> {
  const file = join(dir, 'bad.yaml');
  await writeFile(file, text);
  const running = lastcall([verb, '-c', file]);
  // A file that is taken lets the sidecar run.
  const late = setTimeout(() => running.child.kill('SIGKILL'), 10_000);
  const { code, stdout, stderr } = await running.outcome;
  clearTimeout(late);
  return { code, stderr: stdout + stderr };
}

const DEEP = 2_000;
const UNREADABLE: Readonly<Record<string, string>> = {
  'unknown key': `${LEAST}drian: {}\n`,
  'wrong type': `${LEAST}drain: { quiet: 1 }\n`,
  tabs: `${LEAST}drain:\n\tquiet: 1s\n`,
  'key twice': `${LEAST}node: a\nnode: b\n`,
  'deep YAML': `${LEAST}drain: ${'['.repeat(DEEP)}${']'.repeat(DEEP)}\n`,
  'deep JSON': `{"a":`.repeat(DEEP),
  'alias bomb': `a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\n${LEAST}`,
  '10 MB': `${LEAST}# ${'x'.repeat(10_000_000)}\ndrian: 1\n`,
  BOM: `\uFEFF${LEAST}`,
  NUL: `${LEAST}node: "a\0b"\n`,
  'unset variable': `${LEAST}node: \${LASTCALL_NOT_SET}\n`,
  empty: '',
};

async function unreadableFiles(stage: FaultStage): Promise<FaultSeen> {
  const dir = await stage.directory();
  const others: string[] = [];
  let placed = 0;
  for (const [name, text] of Object.entries(UNREADABLE)) {
    for (const verb of ['check', 'run']) {
      const { code, stderr } = await check(dir, text, verb);
      if (code !== 78) others.push(`${verb} of ${name}: ${code}`);
      if (/bad\.yaml:\d+:\d+/.test(stderr)) placed += 1;
    }
  }
  const all = 2 * Object.keys(UNREADABLE).length;
  const seen = { others, placed, state: existsSync(join(dir, 'app1.json')) };
  return compare(
    seen,
    { others: [], placed: { atLeast: all - 6 }, state: false },
    `${placed} of ${all} name line and column`,
  );
}

const NAMES = [
  'app/app1;disable server app/app2',
  'app/app1\nshow info',
  'app/ app1',
  'app/app"1',
  "app/app'1",
  'app/äpp1',
  'app/app1\r',
  'app1',
  'app/',
  '/app1',
];

async function badNames(stage: FaultStage): Promise<FaultSeen> {
  const fake = await startFake((_line, socket) => socket.end('\n'));
  stage.onEnd(() => fake.stop());
  const dir = await stage.directory();
  const others: string[] = [];
  for (const name of NAMES) {
    const words = ['drain', '--haproxy', fake.path, '--server', name];
    const { code } = await lastcall(words).outcome;
    if (code !== 64) others.push(`${JSON.stringify(name.slice(0, 40))}: ${code}`);
  }
  for (const name of [...NAMES, 'app/app\u00001']) {
    const balancers = [{ haproxy: fake.path, servers: [name] }];
    const { code } = await check(
      dir,
      JSON.stringify({ node: 'app1', balancers, state: join(dir, 's') }),
      'run',
    );
    if (code !== 78) others.push(`in the file ${JSON.stringify(name.slice(0, 40))}: ${code}`);
  }
  const bytes = fake.received.join('').length;
  const figure = `${bytes} bytes reached the socket, by ${2 * NAMES.length + 1} names`;
  return compare({ others, bytes }, { others: [], bytes: 0 }, figure);
}

const OUT_OF_RANGE: Readonly<Record<string, string>> = {
  'interval 0': 'app: { probe: { tcp: "127.0.0.1:1", every: 0s } }',
  'interval -1': 'app: { probe: { tcp: "127.0.0.1:1", every: -1s } }',
  'interval 1e12': 'app: { probe: { tcp: "127.0.0.1:1", every: 1e12 } }',
  'bare number': 'drain: { timeout: 30 }',
  'timeout 0': 'drain: { timeout: 0s }',
  'quiet over timeout': 'drain: { quiet: 1h, timeout: 1m }',
  'keep -1': 'drain: { keep: -1 }',
  'keep 0.5': 'drain: { keep: 0.5 }',
  'slots 0': 'pool: { name: app, slots: 0 }',
  'port 70000': 'listen: { agentCheck: { address: "0.0.0.0:70000" } }',
};

async function valuesOutOfRange(stage: FaultStage): Promise<FaultSeen> {
  const dir = await stage.directory();
  const others: string[] = [];
  for (const [name, line] of Object.entries(OUT_OF_RANGE)) {
    const { code } = await check(dir, `${LEAST}${line}\n`);
    if (code !== 78) others.push(`${name}: ${code}`);
  }
  return compare({ others }, { others: [] }, `${Object.keys(OUT_OF_RANGE).length} values refused`);
}

export const INPUT_FAULTS: readonly Fault[] = [
  {
    number: 62,
    title: 'configuration that cannot be read',
    made: '`check` and `run` of twelve files: unknown key, wrong type, tabs, a key twice, deep YAML and JSON, aliases, 10 MB, BOM, NUL, unset variable, empty',
    expected: '78 each time, with line and column where there is one, and nothing is written',
    run: unreadableFiles,
    corrected: 'the 100,000 random files are in `npm run test:long` (fuzz)',
  },
  {
    number: 63,
    title: 'names with ; newline quote NUL space unicode',
    made: 'ten names as `--server` and eleven in the file, at a socket that notes each byte',
    expected: '64 on the command line, 78 in a file, and no byte is sent',
    run: badNames,
    corrected: 'a bad name on the command line is a usage error, 64',
  },
  {
    number: 64,
    title: 'values out of range',
    made: '`check` of ten files: interval 0, -1, 1e12, quiet over timeout, keep -1, port 70000, ...',
    expected: '78 each time',
    run: valuesOutOfRange,
    corrected:
      'a deadline over TimeoutStopSec is seen by `doctor` on a machine with systemd (`npm run test:host`)',
  },
];
