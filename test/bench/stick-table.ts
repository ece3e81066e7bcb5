import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createRuntimeBalancer } from '../../agent/balancers/runtime-api.ts';
import { realClock } from '../../agent/system/clock.ts';
import { startHaproxy, type Haproxy } from '../support/haproxy.ts';
import { packageRoot } from '../support/sample.ts';
import { addUsers } from '../support/stick-table.ts';
import { median, round, type Figure } from './figures.ts';

const execute = promisify(execFile);

const ENTRIES = 1_000_000;
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
  const haproxy = await startHaproxy(
    'defaults\n  mode http\n  timeout connect 1s\n  timeout client 1s\n  timeout server 1s\n' +
      `backend app\n  stick-table type string len 32 size ${2 * ENTRIES} expire 30m\n  stick on req.cook(S)\n` +
      SHARES.map(({ name }) => `  server ${name} 127.0.0.1:1\n`).join(''),
  );
  try {
    const figures: Figure[] = [await polling(haproxy)];
    for (const [index, { name, count }] of SHARES.entries()) {
      await addUsers(haproxy.socket, { table: 'app', serverId: index + 1, count, prefix: name });
    }
    for (const index of [0, 2, 3]) figures.push(...(await counting(haproxy, index)));
    return figures;
  } finally {
    await haproxy.stop();
  }
}

/** Our own source and the shell in turns, so that both meet the same machine. */
async function counting({ socket }: Haproxy, index: number): Promise<Figure[]> {
  const { name, count } = SHARES[index] ?? SHARES[0];
  const ours: Counted[] = [];
  const shell: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    ours.push(await countBySource(socket, `app/${name}`));
    for (let time = 0; time < TIMES; time++) shell.push(await countByShell(socket, index + 1, count));
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
      how: `median of ${shell.length}: ${round(own)} ms, socat | grep -c ${round(other)} ms`,
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

async function countByShell(socket: string, serverId: number, count: number): Promise<number> {
  const began = performance.now();
  const line = `echo "show table app data.server_id eq ${serverId}" | socat -t 30 - "UNIX:${socket}" | grep -c ^0x || true`;
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
