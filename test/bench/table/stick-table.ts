import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { Agent, get, type IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { startHaproxy, type Haproxy } from '../../support/haproxy.ts';
import { packageRoot } from '../../support/sample.ts';
import { teach, type PeerEntry } from '../../support/peer.ts';
import { freePort } from '../../support/ports.ts';
import { median, percentile, round, type Figure, type Row } from '../figures.ts';
import { missingOf, SOCAT } from '../peers/peers.ts';
import { STARVED_PERCENT, starvedIn, watchStarvation } from '../starvation.ts';

const execute = promisify(execFile);

const ENTRIES = 1_000_000;
const KEY_LENGTH = 32;
const SHARES = [
  { name: 'app1', count: 500_000 },
  { name: 'app2', count: 499_000 },
  { name: 'app3', count: 1_000 },
  { name: 'app4', count: 0 },
] as const;
const SHELL = [SOCAT];
const ROUNDS = 7;
const TIMES = 1;
const PROGRAM = join(packageRoot(), 'dist', 'test', 'fixtures', 'counts-table.js');

/** What it takes to count one server's entries among a million, beside the shell's way. */
export async function stickTable(): Promise<Row[]> {
  const [port, nowhere, front] = [await freePort(), await freePort(), await freePort()];
  const haproxy = await startHaproxy(
    'global\n  localpeer me\n' +
      'defaults\n  mode http\n  timeout connect 1s\n  timeout client 10s\n  timeout server 1s\n' +
      `peers us\n  bind 127.0.0.1:${port}\n  server me\n  server fake 127.0.0.1:${nowhere}\n` +
      `frontend answers\n  bind 127.0.0.1:${front}\n  http-request return status 200\n` +
      `backend app\n  stick-table type string len ${KEY_LENGTH} size ${2 * ENTRIES} expire 30m peers us\n  stick on req.cook(S)\n` +
      SHARES.map(({ name }) => `  server ${name} 127.0.0.1:1\n`).join(''),
  );
  try {
    const figures: Row[] = [];
    const teacher = { port, pupil: 'me', teacher: 'fake', table: 'app', keyLength: KEY_LENGTH };
    await teach(haproxy.socket, { ...teacher, expireMs: 30 * 60_000 }, SHARES.flatMap(entriesOf));
    for (const index of [0, 2, 3]) figures.push(...(await counting(haproxy, index)));
    figures.push(await beside(haproxy, front));
    return figures;
  } finally {
    await haproxy.stop();
  }
}

function entriesOf({ name, count }: (typeof SHARES)[number], index: number): PeerEntry[] {
  return Array.from({ length: count }, (_none, number) => ({
    key: `${name}${String(number).padStart(19, '0')}`,
    serverId: index + 1,
    serverKey: name,
  }));
}

/** What a user waits for HAProxy while the table is counted as often by us and by the shell, in turns. */
async function beside({ pid, socket }: Haproxy, front: number): Promise<Row> {
  const name = "HAProxy's p99 latency while its table is counted";
  const missing = missingOf(SHELL);
  if (missing !== null) return { name, missing };
  const starved = watchStarvation({ HAProxy: pid });
  const [ours, shell]: [number[], number[]] = [[], []];
  const script = `echo counting; for n in $(seq ${TIMES + 1}); do ${shellOf(socket, 'app3')}; done`;
  for (let round = 0; round < ROUNDS; round++) {
    ours.push(await p99During(front, process.execPath, [PROGRAM, socket, 'app/app3', String(TIMES)]));
    shell.push(await p99During(front, 'sh', ['-c', script]));
  }
  return {
    name,
    value: median(ours),
    samples: ours,
    unit: 'ms',
    kind: 'ratio',
    limit: 1.2,
    peer: { name: 'socat | grep -c', value: median(shell), samples: shell },
    how: `medians of ${ROUNDS} counts each`,
    ...starvedIn('while its table was counted', [starved()], STARVED_PERCENT),
  };
}

/** While this program runs, from the line that it begins with: its start is no count. */
async function p99During(port: number, program: string, words: readonly string[]): Promise<number> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const waits: number[] = [];
  const child = spawn(program, words, { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(child, 'exit');
  await once(child.stdout, 'readable');
  const counted = text(child.stdout);
  while (child.exitCode === null) {
    const began = performance.now();
    const [response] = (await once(get({ host: '127.0.0.1', port, agent }), 'response')) as [IncomingMessage];
    await once(response.resume(), 'end');
    waits.push(performance.now() - began);
  }
  await ended;
  agent.destroy();
  if (child.exitCode !== 0) throw new Error(`${program} ended with ${child.exitCode}: ${await counted}`);
  return percentile(waits, 0.99);
}

/**
 * Our own source and the shell in turns, so that both meet the same machine. Neither with its start: the sidecar runs
 * already, and of the shell's time that of the same pipe with nothing to search is taken off.
 */
async function counting({ socket }: Haproxy, index: number): Promise<Row[]> {
  const { name, count } = SHARES[index] ?? SHARES[0];
  const missing = missingOf(SHELL);
  const ours: Counted[] = [];
  const [shell, starts]: [number[], number[]] = [[], []];
  for (let round = 0; round < ROUNDS; round++) {
    ours.push(await countBySource(socket, `app/${name}`));
    for (let time = 0; missing === null && time < TIMES; time++) {
      starts.push(await timeOfShell(shellOf(socket, name, 'show info'), 0));
      shell.push(await timeOfShell(shellOf(socket, name), count));
    }
  }
  if (ours.some((one) => one.count !== count)) throw new Error(`not ${count} entries of ${name}`);
  const what = `${count} entries among ${ENTRIES}`;
  const title = `count of ${what}`;
  return [
    missing === null ? besideShell(title, ours, shell, starts) : { name: title, missing },
    {
      name: `memory for ${what}`,
      value: Math.max(...ours.map(({ grown }) => grown)) / 1_048_576,
      unit: 'MB',
      limit: 20,
      how: `largest of ${ROUNDS} processes, at their peak`,
    },
  ];
}

function besideShell(
  name: string,
  ours: readonly Counted[],
  shell: readonly number[],
  starts: readonly number[],
): Figure {
  const samples = ours.flatMap(({ ms }) => ms);
  const start = median(starts);
  return {
    name,
    value: median(samples),
    samples,
    unit: 'ms',
    kind: 'ratio',
    limit: 1.2,
    peer: {
      name: 'socat | grep -cE',
      value: median(shell) - start,
      samples: shell.map((ms) => ms - start),
    },
    how: `medians of ${shell.length}; the pipe's start of ${round(start)} ms is taken off`,
  };
}

interface Counted {
  readonly ms: readonly number[];
  readonly count: number;
  readonly grown: number;
}

async function countBySource(socket: string, server: string): Promise<Counted> {
  const { stdout } = await execute(process.execPath, [PROGRAM, socket, server, String(TIMES)]);
  return JSON.parse(stdout.split('\n')[1] ?? '') as Counted;
}

function shellOf(socket: string, name: string, command = 'show table app'): string {
  return `echo "${command}" | socat -t 30 - "UNIX:${socket}" | grep -cE 'server_key=${name}( |$)' || true`;
}

async function timeOfShell(script: string, count: number): Promise<number> {
  const began = performance.now();
  const { stdout } = await execute('sh', ['-c', script]);
  const ms = performance.now() - began;
  if (Number(stdout) !== count) throw new Error(`the shell counts ${stdout.trim()}`);
  return ms;
}
