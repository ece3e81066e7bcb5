import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { createRuntimeBalancer } from '../../agent/balancers/runtime-api/driver.ts';
import { realClock } from '../../agent/system/clock.ts';
import { startHaproxy, type Haproxy } from '../support/haproxy.ts';
import { median, round, type Figure } from './figures.ts';

const POLLS = 200;
const SIZES = [1, 500];
/** The header of `show stat` alone has 2.9 kB on 3.2, and no command leaves it out; `show info`, which names the worker, 1.2 kB. */
const BYTES_LIMIT = 5_120;

interface Cost {
  readonly bytes: number;
  readonly ms: number;
}

/** What one poll of our own driver reads and takes, with one server in HAProxy's configuration and with 500. */
export async function poll(): Promise<Figure[]> {
  const costs: Cost[] = [];
  for (const servers of SIZES) costs.push(await withServers(servers));
  const [small, large] = costs;
  if (small === undefined || large === undefined) throw new Error('nothing was measured');
  return [
    ...costs.map((cost, index) => ({
      name: `bytes that one poll reads, ${SIZES[index] ?? 0} servers`,
      value: cost.bytes,
      unit: 'B',
      limit: BYTES_LIMIT,
      how: `median of ${POLLS}`,
    })),
    {
      name: 'time of one poll, 500 servers against 1',
      value: large.ms / small.ms,
      unit: 'x',
      limit: 2,
      how: `median of ${POLLS}: ${round(large.ms)} ms and ${round(small.ms)} ms`,
    },
  ];
}

async function withServers(servers: number): Promise<Cost> {
  const haproxy = await startHaproxy(configuration(servers));
  try {
    return { bytes: await bytesOf(haproxy), ms: await timeOf(haproxy.socket) };
  } finally {
    await haproxy.stop();
  }
}

function configuration(servers: number): string {
  const lines = Array.from({ length: servers }, (_none, index) => `  server app${index + 1} 127.0.0.1:1\n`);
  return (
    'defaults\n  mode http\n  timeout connect 1s\n  timeout client 1s\n  timeout server 1s\n' +
    `backend app\n${lines.join('')}`
  );
}

async function timeOf(socket: string): Promise<number> {
  return median(await polls(socket, () => performance.now()));
}

/** Counts on a relay between the driver and HAProxy what comes back. */
async function bytesOf(haproxy: Haproxy): Promise<number> {
  let bytes = 0;
  const relay = createServer((client) => {
    const upstream = connect({ path: haproxy.socket });
    upstream.on('data', (chunk) => (bytes += chunk.length));
    client.pipe(upstream).pipe(client);
    for (const socket of [client, upstream]) socket.on('error', () => socket.destroy());
  });
  const path = join(haproxy.dir, 'relay.sock');
  relay.listen(path);
  await once(relay, 'listening');
  try {
    return median(await polls(path, () => bytes));
  } finally {
    relay.close();
  }
}

/** By how much `gauge` grew at each poll. */
async function polls(socket: string, gauge: () => number): Promise<number[]> {
  const { signal } = new AbortController();
  const options = { address: `unix:${socket}`, servers: ['app/app1'], timeoutMs: 5000 };
  const balancer = createRuntimeBalancer(options, { clock: realClock });
  // The first looks find out the server's number and the worker; all later ones are the poll.
  for (let look = 0; look < 3; look++) await balancer.look(signal);
  const grown: number[] = [];
  for (let look = 0; look < POLLS; look++) {
    const before = gauge();
    await balancer.look(signal);
    grown.push(gauge() - before);
  }
  return grown;
}
