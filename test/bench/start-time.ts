import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { LASTCALL } from '../support/cli.ts';
import { cellOf, converse, type Conversation } from '../support/haproxy.ts';
import { sidecarConfig, type Sidecar } from '../support/sidecar.ts';
import type { Site, SiteNode } from '../support/site.ts';
import { median, type Figure, type Row } from './figures.ts';
import { ANSIBLE, ansibleDrain, missingOf } from './peers/peers.ts';

const RUNS = 31;
/** Ansible takes a second or two for each. */
const ANSIBLE_RUNS = 7;
const GIVE_UP_MS = 30_000;

interface TimedCommand {
  readonly name: string;
  readonly args: readonly string[];
  /** How many times `node -e 0`. */
  readonly limit: number;
}

/** Whole commands against `node -e 0`, in turns, so that a busy moment of the machine meets all of them. */
export async function startTime(site: Site, node: SiteNode, sidecar: Sidecar): Promise<Figure[]> {
  const file = join(site.dir, 'bench-check.yaml');
  await writeFile(file, JSON.stringify(sidecarConfig(site, node)));
  const direct = ['--haproxy', site.haproxy.socket, '--server', `app/${node.name}`];
  const commands: readonly TimedCommand[] = [
    { name: 'status', args: ['status', '--socket', sidecar.control], limit: 1.2 },
    { name: 'check', args: ['check', '-c', file], limit: 2 },
    { name: 'drain --dry-run, direct', args: ['drain', '--dry-run', '--not-sticky', ...direct], limit: 2 },
  ];
  const bare: number[] = [];
  const times = commands.map((): number[] => []);
  for (let run = 0; run < RUNS; run++) {
    bare.push(await timed(['-e', '0']));
    for (const [at, { args }] of commands.entries()) times[at]?.push(await timed([LASTCALL, ...args]));
  }
  const peer = { name: 'node -e 0', value: median(bare), samples: bare };
  return commands.map(({ name, limit }, at) => {
    const samples = times[at] ?? [];
    return {
      name: `lastcall ${name}`,
      value: median(samples),
      samples,
      unit: 'ms',
      kind: 'ratio',
      limit,
      peer,
      how: `medians of ${RUNS}, whole processes in turns`,
    };
  });
}

/** From the start of the command to DRAIN at HAProxy, against a Node program that sends the one command, and against Ansible. */
export async function timeToDrain(site: Site, node: SiteNode): Promise<Row[]> {
  const name = `app/${node.name}`;
  const { socket } = site.haproxy;
  const send = `require('node:net').connect(${JSON.stringify(socket)}).end('set server ${name} state drain\\n').resume()`;
  const drain = [
    process.execPath,
    LASTCALL,
    'drain',
    '--haproxy',
    socket,
    '--server',
    name,
    '--not-sticky',
    '--quiet-for',
    '1h',
  ];
  const missing = missingOf(ANSIBLE);
  const [bare, ours, ansible]: [number[], number[], number[]] = [[], [], []];
  for (let run = 0; run < RUNS; run++) {
    bare.push(await drained(site, name, [process.execPath, '-e', send]));
    ours.push(await drained(site, name, drain));
    if (missing === null && run < ANSIBLE_RUNS)
      ansible.push(await drained(site, name, ansibleDrain(node.name, socket)));
  }
  return [
    ansibleRow(missing, ours, ansible),
    {
      name: 'command to DRAIN, direct',
      value: median(ours),
      samples: ours,
      unit: 'ms',
      kind: 'ratio',
      limit: 3,
      peer: { name: 'a bare node program', value: median(bare), samples: bare },
      how: `medians of ${RUNS}, from the start of the process to HAProxy's DRAIN`,
    },
  ];
}

/** Not later than Ansible's one command. */
function ansibleRow(missing: string | null, ours: readonly number[], ansible: readonly number[]): Row {
  const name = 'command to DRAIN, direct, beside Ansible';
  if (missing !== null) return { name, missing };
  return {
    kind: 'ratio',
    name,
    value: median(ours),
    unit: 'ms',
    limit: 1,
    samples: ours,
    peer: { name: 'Ansible, one command', value: median(ansible), samples: ansible },
    how: `medians of ${ours.length} and of ${ansible.length}, in turns`,
  };
}

/** Milliseconds until HAProxy shows DRAIN; READY again afterwards. */
async function drained(
  site: Site,
  name: string,
  [program = '', ...args]: readonly string[],
): Promise<number> {
  const line = await converse(site.haproxy.socket);
  const began = performance.now();
  const child = spawn(program, args, { stdio: 'ignore' });
  const ended = once(child, 'exit');
  try {
    while (!/^\S+,\S+,DRAIN/m.test(await statusLine(line, name)))
      if (performance.now() - began > GIVE_UP_MS) throw new Error('HAProxy shows no DRAIN');
    return performance.now() - began;
  } finally {
    child.kill('SIGKILL');
    await ended;
    await line.ask(`set server ${name} state ready`);
    line.end();
  }
}

/** `backend,server,STATUS` of one server. */
async function statusLine(line: Conversation, name: string): Promise<string> {
  const [backend = '', server = ''] = name.split('/');
  const stat = await line.ask(`show stat ${backend} 4 -1`);
  const row = stat.split('\n').find((one) => one.startsWith(`${backend},${server},`)) ?? '';
  return `${backend},${server},${cellOf(`${stat.split('\n')[0] ?? ''}\n${row}`, 'status') ?? ''}`;
}

/** Milliseconds from the spawn to the end of a node process. */
async function timed(args: readonly string[]): Promise<number> {
  const began = performance.now();
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit'] });
  const [code] = (await once(child, 'exit')) as [number | null];
  if (code !== 0) throw new Error(`node ${args.join(' ')} ended with ${String(code)}`);
  return performance.now() - began;
}
