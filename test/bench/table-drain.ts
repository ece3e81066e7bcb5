import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../../agent/system/error.ts';
import type { UsersCommand, UsersReport } from '../fixtures/steady-users.ts';
import { startChildProgram, type ChildProgram } from '../support/child-program.ts';
import { startHaproxy, type Haproxy } from '../support/haproxy.ts';
import { teach, type PeerEntry } from '../support/peer.ts';
import { freePort } from '../support/ports.ts';
import { agentOf, type Agent } from '../support/rig.ts';
import { startSidecar } from '../support/sidecar.ts';
import type { Site, SiteNode } from '../support/site.ts';
import { until } from '../support/until.ts';
import { withLimit } from '../support/with-limit.ts';
import { median, percentile, round, type Figure } from './figures.ts';
import { percentilesOf } from './percentiles.ts';

const ENTRIES = 1_000_000;
const OWN = 1_000;
/** The node's users leave so long after the drain began. */
const OWN_LIFE_MS = 5_000;
const RUNS = 3;
/**
 * All runs have ended by then: a drain takes some twenty times a scan (scan-pause.ts), so 40 s where a scan takes two, and is played
 * with as long without one. A table is believed once HAProxy is older than its longest entry: this is waited for first.
 */
const OTHERS_LIFE_S = 300;
/** One scan, on a machine that is busy with other work. */
const SCAN_TIMEOUT = '20s';
/** Of the whole: both of the above, and what it takes to fill the table. */
const DEADLINE_MS = 12 * 60_000;
/** Of the sidecar's log, where it goes wrong. */
const LOG_LINES = 3;
const REQUESTS_PER_SECOND = 400;
const TAIL = 0.999;
const LIMIT = 1.2;
const KEY_LENGTH = 32;
/** Of the table itself; the entries get shorter lives of their own. */
const EXPIRE_MS = 30 * 60_000;

interface TableSite {
  readonly haproxy: Haproxy;
  readonly agent: Agent;
  readonly node: SiteNode;
  readonly users: ChildProgram<UsersCommand, UsersReport>;
  /** Puts entries of the node, or of another server, into the table. */
  readonly fill: (name: string, count: number, leftMs: number) => Promise<void>;
  readonly close: () => Promise<void>;
}

/** What users of the other nodes wait while one node drains by a stick table of a million entries, beside as long without a drain. */
export function tableDrain(site: Site, signal: AbortSignal): Promise<Figure[]> {
  return withLimit(signal, DEADLINE_MS, (limited) => tableDrainWithin(site, limited));
}

async function tableDrainWithin(site: Site, signal: AbortSignal): Promise<Figure[]> {
  const where = await openTableSite(site, signal);
  const step = { name: '' };
  try {
    return await Promise.race([measured(where, step, signal), aborted(signal)]);
  } catch (error) {
    const log = where.agent.log().trimEnd().split('\n').slice(-LOG_LINES).join(' | ');
    const why = messageOf(signal.aborted ? signal.reason : error);
    throw new Error(`${step.name}: ${why}; the sidecar's log ends with: ${log}`, { cause: error });
  } finally {
    await where.close();
  }
}

/** @param step gets what is being done, for an error that says where it came from */
async function measured(where: TableSite, step: { name: string }, signal: AbortSignal): Promise<Figure[]> {
  const [draining, quiet]: [UsersReport[], UsersReport[]] = [[], []];
  const seconds: number[] = [];
  step.name = `waiting until HAProxy is ${OTHERS_LIFE_S} s old`;
  await old(where.haproxy, signal);
  step.name = `filling the table with ${ENTRIES - OWN} entries`;
  await where.fill('other', ENTRIES - OWN, OTHERS_LIFE_S * 1_000);
  for (let run = 1; run <= RUNS; run++) {
    step.name = `drain ${run} of ${RUNS}`;
    // Before anything is measured: the users come a moment before the drain.
    await where.fill(where.node.name, OWN, OWN_LIFE_MS);
    const began = performance.now();
    draining.push(await during(where, () => done(where.agent, 'drain', signal)));
    const ms = performance.now() - began;
    seconds.push(ms / 1_000);
    step.name = `ready ${run} of ${RUNS}`;
    await done(where.agent, 'ready', signal);
    step.name = `${round(ms / 1_000)} s without a drain, ${run} of ${RUNS}`;
    quiet.push(await during(where, () => sleep(ms, undefined, { signal })));
    step.name = `after run ${run} of ${RUNS} (drains of ${seconds.map(round).join(', ')} s)`;
    await stillFull(where.haproxy);
  }
  return rowsOf(draining, quiet, seconds);
}

async function aborted(signal: AbortSignal): Promise<never> {
  if (!signal.aborted) await once(signal, 'abort');
  throw signal.reason;
}

function rowsOf(
  draining: readonly UsersReport[],
  quiet: readonly UsersReport[],
  seconds: readonly number[],
): Figure[] {
  const tails = (reports: readonly UsersReport[]): number[] => reports.map(({ ms }) => percentile(ms, TAIL));
  const [own, other] = [tails(draining), tails(quiet)];
  const count = Math.min(...[...draining, ...quiet].map(({ ms }) => ms.length));
  const how = `medians of ${RUNS} drains of ${round(median(seconds))} s each, ${REQUESTS_PER_SECOND} requests a second, at least ${count} each`;
  return [
    {
      name: `p99.9 of traffic over a drain, ${ENTRIES} entries`,
      value: median(own),
      samples: own,
      unit: 'ms',
      kind: 'ratio',
      limit: LIMIT,
      peer: { name: 'without a drain', value: median(other), samples: other },
      how,
      plots: [
        {
          title: `Latency of the other nodes' users, stick table of ${ENTRIES} entries`,
          across: '% of the requests',
          up: 'ms at most',
          lines: [
            { name: 'while a node drains', points: percentilesOf(draining.flatMap(({ ms }) => ms)) },
            { name: 'without a drain', points: percentilesOf(quiet.flatMap(({ ms }) => ms)) },
          ],
        },
      ],
    },
    {
      name: 'requests that failed over a drain',
      value: draining.reduce((sum, { failed }) => sum + failed, 0),
      unit: '',
      limit: 0,
      exact: true,
      how,
    },
  ];
}

/**
 * By the control socket: a command of its own would take the processor from HAProxy. A drain ends when it has seen that the node's users
 * are gone, OWN_LIFE_MS after they came, and has fenced the node.
 */
async function done(agent: Agent, operation: 'drain' | 'ready', signal: AbortSignal): Promise<void> {
  const answer = await agent.client.submit({ operation, reason: 'bench' }, signal);
  const result = answer.accepted ? await agent.ends(answer.id, signal) : answer.result;
  if (!result.ok) throw new Error(`${operation} ended with ${result.code}: ${result.message}`);
}

/** What users met while `what` went on. */
async function during({ users }: TableSite, what: () => Promise<unknown>): Promise<UsersReport> {
  await users.ask({ report: true });
  await what();
  return users.ask({ report: true });
}

/** As old as the entries can be. */
async function old(haproxy: Haproxy, signal: AbortSignal): Promise<void> {
  const uptime = async (): Promise<number> =>
    Number(/^Uptime_sec: (\d+)$/m.exec(await haproxy.command('show info'))?.[1]);
  await sleep((OTHERS_LIFE_S - (await uptime())) * 1_000, undefined, { signal });
  await until(`HAProxy is ${OTHERS_LIFE_S} s old`, async () => (await uptime()) >= OTHERS_LIFE_S);
}

/** @throws Error where entries have run out */
async function stillFull(haproxy: Haproxy): Promise<void> {
  const used = Number(/used:(\d+)/.exec(await haproxy.command('show table'))?.[1]);
  if (used < ENTRIES - OWN) throw new Error(`only ${used} entries are left: the runs took too long`);
}

async function openTableSite(site: Site, signal: AbortSignal): Promise<TableSite> {
  const node = site.nodes[1];
  if (node === undefined) throw new Error('the site has no second node');
  const closers: (() => unknown)[] = [];
  const close = async (): Promise<void> => {
    for (const closer of closers.toReversed()) await closer();
  };
  try {
    const app = await startApp();
    closers.push(() => app.close().closeAllConnections());
    const [peer, front] = [await freePort(), await freePort()];
    const haproxy = await startHaproxy(
      await configOf(peer, front, [
        `  server ${node.name} ${new URL(node.url).host}\n`,
        `  server other 127.0.0.1:${portOf(app)} weight 256\n`,
      ]),
    );
    closers.push(() => haproxy.stop());
    const words = [String(front), String(REQUESTS_PER_SECOND)];
    const users = await startChildProgram<UsersCommand, UsersReport>('steady-users', words);
    closers.push(() => users.kill());
    // Without `expire` twice the life of the longest entry is waited for.
    const stickTable = { table: 'app', expire: `${OTHERS_LIFE_S}s` };
    const sections = { sessions: [{ stickTable, timeout: SCAN_TIMEOUT }] };
    const options = { sections, timeout: `${OTHERS_LIFE_S}s` };
    const sidecar = await startSidecar({ dir: haproxy.dir, haproxy }, node, signal, options);
    closers.push(() => sidecar.kill());
    const teacher = { port: peer, pupil: 'me', teacher: 'fake', table: 'app', keyLength: KEY_LENGTH };
    const fill: TableSite['fill'] = (name, count, leftMs) =>
      teach(haproxy.socket, { ...teacher, expireMs: EXPIRE_MS }, entriesOf(name, count, leftMs));
    return { haproxy, agent: agentOf(sidecar), node, users, fill, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** A table that is filled by a peer, and users who come in at `front`. */
async function configOf(peer: number, front: number, servers: readonly string[]): Promise<string> {
  const table = `type string len ${KEY_LENGTH} size ${2 * ENTRIES} expire ${EXPIRE_MS}ms peers us`;
  return (
    'global\n  localpeer me\n' +
    'defaults\n  mode http\n  timeout connect 1s\n  timeout client 60s\n  timeout server 60s\n' +
    `peers us\n  bind 127.0.0.1:${peer}\n  server me\n  server fake 127.0.0.1:${await freePort()}\n` +
    `frontend web\n  bind 127.0.0.1:${front}\n  default_backend app\n` +
    `backend app\n  stick-table ${table}\n  stick on req.cook(S)\n${servers.join('')}`
  );
}

/** By `server_key`: the number of the server decides nothing then. */
function entriesOf(name: string, count: number, leftMs: number): PeerEntry[] {
  return Array.from({ length: count }, (_none, number) => ({
    key: `${name}${String(number).padStart(12, '0')}`,
    serverId: 1,
    serverKey: name,
    leftMs,
  }));
}

async function startApp(): Promise<Server> {
  const server = createServer((_request, response) => response.end('page'));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return server;
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}
