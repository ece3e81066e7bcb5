import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { column, openRig, type Rig, told } from '../support/rig.ts';
import type { Figure } from './figures.ts';

const WARM_UP_S = 10;
/** leastconn goes by requests that are under way, so there have to be some at each server. */
const CALLERS = 30;
/** The fair share of one of three servers, in percent. */
const FAIR = 100 / 3;

/** Each way to balance, and what the server's line has. */
const WAYS: readonly (readonly [name: string, balance: string, server: string])[] = [
  ['roundrobin', 'roundrobin', ''],
  ['leastconn', 'leastconn', ''],
  ['random', 'random', ''],
  ['slowstart of HAProxy', 'roundrobin', `slowstart ${WARM_UP_S}s`],
];

/** The share of new users that a node gets in each second after READY, with `warmUp: 10s` and weight 100. */
export async function warmUp(): Promise<Figure[]> {
  const figures: Figure[] = [];
  for (const [name, balance, server] of WAYS) {
    const shares = await sharesWith(balance, server);
    const [first = Number.NaN] = shares;
    figures.push({
      name: `share of new users in the first second, ${name}`,
      value: first,
      unit: '%',
      limit: FAIR / 2,
      how: `warmUp ${WARM_UP_S}s, three servers; each second: ${shares.map((one) => Math.round(one)).join(' ')}`,
    });
  }
  return figures;
}

async function sharesWith(balance: string, server: string): Promise<number[]> {
  const others = await Promise.all([otherServer(), otherServer()]);
  const lines = others.map((one, index) => `  server app${index + 2} 127.0.0.1:${portOf(one)}\n`).join('');
  const rig = await openRig({ cookie: false, server, others: `${lines}  balance ${balance}\n` });
  try {
    return await measured(rig);
  } finally {
    await rig.close();
    for (const one of others) one.close().closeAllConnections();
  }
}

async function measured(rig: Rig): Promise<number[]> {
  const agent = await rig.sidecar({
    sections: { sessions: [], sticky: false, return: { timeout: '30s', warmUp: `${WARM_UP_S}s` } },
  });
  await told(agent.cli('drain'));
  const end = new AbortController();
  const users = Array.from({ length: CALLERS }, () => visit(rig.url, end.signal));
  const before = await totals(rig);
  const { json } = await told(agent.cli('ready', '--no-wait'));
  while ((await totals(rig))[0] === before[0]) await sleep(5);
  const shares: number[] = [];
  let last = await totals(rig);
  for (let second = 0; second < WARM_UP_S + 2; second++) {
    await sleep(1_000);
    const now = await totals(rig);
    const gained = now.map((total, index) => total - (last[index] ?? 0));
    shares.push((100 * (gained[0] ?? 0)) / gained.reduce((sum, one) => sum + one, 0));
    last = now;
  }
  await agent.ends(json.id);
  end.abort();
  await Promise.all(users);
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

async function otherServer(): Promise<Server> {
  const server = createServer((_request, answer) => void answer.end('{}'));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return server;
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}
