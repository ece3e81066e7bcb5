import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { Agent, get, type IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createRuntimeBalancer } from '../../agent/balancers/runtime-api.ts';
import { realClock } from '../../agent/system/clock.ts';
import { startHaproxy, type Haproxy } from '../support/haproxy.ts';
import { packageRoot } from '../support/sample.ts';
import { teach, type PeerEntry } from '../support/peer.ts';
import { freePort } from '../support/ports.ts';
import { median, round, type Figure } from './figures.ts';

const execute = promisify(execFile);

const ENTRIES = 1_000_000;
const KEY_LENGTH = 32;
const SHARES = [
  { name: 'app1', count: 500_000 },
  { name: 'app2', count: 499_000 },
  { name: 'app3', count: 1_000 },
  { name: 'app4', count: 0 },
] as const;
const ROUNDS = 3;
const TIMES = 3;
const POLLS = 2_000;

/** What it takes to count one server's entries among a million, beside the shell's way, and what a poll costs HAProxy. */
export async function stickTable(): Promise<Figure[]> {
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
    const figures: Figure[] = [await polling(haproxy)];
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

/** What a user waits for HAProxy while the table is counted, in turns by us and by the shell. */
async function beside({ socket }: Haproxy, front: number): Promise<Figure> {
  const [ours, shell]: [number[], number[]] = [[], []];
  for (let round = 0; round < ROUNDS; round++) {
    ours.push(await p99During(front, () => countBySource(socket, 'app/app3')));
    shell.push(await p99During(front, () => countByShell(socket, SHARES[2].name, SHARES[2].count)));
  }
  return {
    name: "HAProxy's p99 latency while its table is counted",
    value: median(ours) / median(shell),
    unit: 'x',
    limit: 1.2,
    how: `median of ${ROUNDS}: ${round(median(ours))} ms, beside socat | grep -c ${round(median(shell))} ms`,
  };
}

async function p99During(port: number, work: () => Promise<unknown>): Promise<number> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const waits: number[] = [];
  let isOver = false;
  const done = work().finally(() => (isOver = true));
  while (!isOver) {
    const began = performance.now();
    const [response] = (await once(get({ host: '127.0.0.1', port, agent }), 'response')) as [IncomingMessage];
    await once(response.resume(), 'end');
    waits.push(performance.now() - began);
  }
  await done;
  agent.destroy();
  return waits.sort((one, other) => one - other)[Math.floor(waits.length * 0.99)] ?? 0;
}

/** Our own source and the shell in turns, so that both meet the same machine. */
async function counting({ socket }: Haproxy, index: number): Promise<Figure[]> {
  const { name, count } = SHARES[index] ?? SHARES[0];
  const ours: Counted[] = [];
  const shell: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    ours.push(await countBySource(socket, `app/${name}`));
    for (let time = 0; time < TIMES; time++) shell.push(await countByShell(socket, name, count));
  }
  if (ours.some((one) => one.count !== count)) throw new Error(`not ${count} entries of ${name}`);
  const [own, other] = [median(ours.flatMap(({ ms }) => ms)), median(shell)];
  const what = `${count} entries among ${ENTRIES}`;
  return [
    {
      name: `count of ${what}`,
      value: own / other,
      unit: 'x',
      limit: 1.2,
      how: `median of ${shell.length}: ${round(own)} ms, socat | grep -cE ${round(other)} ms`,
    },
    {
      name: `memory for ${what}`,
      value: Math.max(...ours.map(({ grown }) => grown)) / 1_048_576,
      unit: 'MB',
      limit: 20,
      how: `largest of ${ROUNDS} processes, at their peak`,
    },
  ];
}

interface Counted {
  readonly ms: readonly number[];
  readonly count: number;
  readonly grown: number;
}

async function countBySource(socket: string, server: string): Promise<Counted> {
  const program = join(packageRoot(), 'dist', 'test', 'fixtures', 'counts-table.js');
  const { stdout } = await execute(process.execPath, [program, socket, server, String(TIMES)]);
  return JSON.parse(stdout) as Counted;
}

async function countByShell(socket: string, name: string, count: number): Promise<number> {
  const began = performance.now();
  const line = `echo "show table app" | socat -t 30 - "UNIX:${socket}" | grep -cE 'server_key=${name}( |$)' || true`;
  const { stdout } = await execute('sh', ['-c', line]);
  const ms = performance.now() - began;
  if (Number(stdout) !== count) throw new Error(`the shell counts ${stdout.trim()}`);
  return ms;
}

/** By HAProxy's own time on a processor, told by the kernel in nanoseconds. */
async function polling(haproxy: Haproxy): Promise<Figure> {
  const { signal } = new AbortController();
  const options = { address: haproxy.socket, servers: ['app/app1'], timeoutMs: 5_000 };
  const balancer = createRuntimeBalancer(options, { clock: realClock });
  for (let look = 0; look < 3; look++) await balancer.look(signal);
  const before = processorMs(haproxy.pid);
  for (let look = 0; look < POLLS; look++) await balancer.look(signal);
  return {
    name: "HAProxy's time for one poll of one server",
    value: (processorMs(haproxy.pid) - before) / POLLS,
    unit: 'ms',
    limit: 0.1,
    how: `mean of ${POLLS}, of all its threads`,
  };
}

function processorMs(pid: number): number {
  const tasks = readdirSync(`/proc/${pid}/task`);
  const spent = tasks.map((task) =>
    Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8').split(' ')[0]),
  );
  return spent.reduce((sum, nanoseconds) => sum + nanoseconds, 0) / 1e6;
}
