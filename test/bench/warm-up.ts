import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { column, openRig, type Rig, told } from '../support/rig.ts';
import { until } from '../support/until.ts';
import type { Figure, PlotLine } from './figures.ts';

const WARM_UP_S = 10;
/** So many users ask at a time. */
const CALLERS = 60;
/** The fair share of one of three servers, in percent. */
const FAIR = 100 / 3;

interface Balancing {
  readonly name: string;
  readonly balance: string;
  /** What the server's line has. */
  readonly server?: string;
  /** How long each request is under way. */
  readonly requestMs: number;
  /** Only drawn: a server that has no request under way gets the next one, whatever its weight, so that no ramp can be seen. */
  readonly isDrawnOnly?: boolean;
}

/** Long enough that each server always has some under way. */
const LONG_MS = 300;
const WAYS: readonly Balancing[] = [
  { name: 'roundrobin', balance: 'roundrobin', requestMs: 0 },
  { name: `leastconn, ${LONG_MS} ms a request`, balance: 'leastconn', requestMs: LONG_MS },
  {
    name: 'leastconn, quick requests',
    balance: 'leastconn',
    requestMs: 0,
    isDrawnOnly: true,
  },
  { name: 'random', balance: 'random', requestMs: 0 },
  { name: 'slowstart of HAProxy', balance: 'roundrobin', server: `slowstart ${WARM_UP_S}s`, requestMs: 0 },
];

/** The share of new users that a node gets in each second after READY, with `warmUp: 10s` and weight 100. */
export async function warmUp({ signal }: { readonly signal: AbortSignal }): Promise<Figure[]> {
  const figures: Figure[] = [];
  const lines: PlotLine[] = [];
  for (const way of WAYS) {
    const shares = await sharesWith(way, signal);
    lines.push({ name: way.name, points: shares.map((one, second) => [second + 1, one]) });
    if (way.isDrawnOnly === true) continue;
    const [first = Number.NaN] = shares;
    figures.push({
      name: `share of new users in the first second, ${way.name}`,
      value: first,
      unit: '%',
      limit: FAIR / 2,
      how: `warmUp ${WARM_UP_S}s, three servers; each second: ${shares.map((one) => Math.round(one)).join(' ')}`,
    });
  }
  const plot = {
    title: `Share of new users after READY, warmUp ${WARM_UP_S}s, one of three servers`,
    across: 'seconds after READY',
    up: '% of new users',
    lines,
  };
  return figures.map((figure, index) => (index === 0 ? { ...figure, plots: [plot] } : figure));
}

async function sharesWith(
  { balance, server = '', requestMs }: Balancing,
  signal: AbortSignal,
): Promise<number[]> {
  const others = await Promise.all([otherServer(requestMs), otherServer(requestMs)]);
  const lines = others.map((one, index) => `  server app${index + 2} 127.0.0.1:${portOf(one)}\n`).join('');
  const rig = await openRig({ cookie: false, server, others: `${lines}  balance ${balance}\n` });
  try {
    return await measured(rig, requestMs, signal);
  } finally {
    await rig.close();
    for (const one of others) one.close().closeAllConnections();
  }
}

async function measured(rig: Rig, requestMs: number, signal: AbortSignal): Promise<number[]> {
  const agent = await rig.sidecar({
    sections: { sessions: [], sticky: false, return: { timeout: '30s', warmUp: `${WARM_UP_S}s` } },
  });
  await told(agent.cli('drain'));
  const end = new AbortController();
  const users = Promise.all(
    Array.from({ length: CALLERS }, () => visit(`${rig.url}/?sleep=${requestMs}`, end.signal)),
  );
  // Where this part has failed already, HAProxy goes away under them.
  users.catch(() => undefined);
  const before = await totals(rig);
  const { json } = await told(agent.cli('ready', '--no-wait'));
  await until('the node has its first new user', async () => (await totals(rig))[0] !== before[0]);
  const shares: number[] = [];
  let last = await totals(rig);
  for (let second = 0; second < WARM_UP_S + 2; second++) {
    await sleep(1_000, undefined, { signal });
    const now = await totals(rig);
    const gained = now.map((total, index) => total - (last[index] ?? 0));
    shares.push((100 * (gained[0] ?? 0)) / gained.reduce((sum, one) => sum + one, 0));
    last = now;
  }
  await agent.ends(json.id);
  end.abort();
  await users;
  return shares;
}

/** A new user with each request, until it is told to end. */
async function visit(url: string, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) await (await fetch(url)).text();
}

async function totals(rig: Rig): Promise<number[]> {
  const read = (id: number): Promise<string | undefined> => column(rig.haproxy, 'app', id, 'stot');
  return (await Promise.all([1, 2, 3].map(read))).map(Number);
}

async function otherServer(requestMs: number): Promise<Server> {
  const server = createServer((_request, answer) => void setTimeout(() => answer.end('{}'), requestMs));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return server;
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}
