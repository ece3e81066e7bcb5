import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { UsersCommand, UsersReport } from '../../fixtures/steady-users.ts';
import { startChildProgram, type ChildProgram } from '../../support/child-program.ts';
import { startHaproxy, type Haproxy } from '../../support/haproxy.ts';
import { teach, type PeerEntry } from '../../support/peer.ts';
import { freePort } from '../../support/ports.ts';
import { agentOf, type Agent } from '../../support/rig.ts';
import { startSidecar } from '../../support/sidecar.ts';
import type { SiteNode } from '../../support/site.ts';
import { until } from '../../support/until.ts';

export const ENTRIES = 1_000_000;
/** Of them the node's. */
const OWN = 1_000;
/** The node's users leave so long after they have come: the drain has begun by then. */
const OWN_LIFE_MS = 10_000;
/**
 * What the others' entries are given before each run, which has to be over by then. A table is believed once HAProxy is older than
 * its longest entry: so long is waited first.
 */
export const OTHERS_LIFE_S = 120;
/** Of one drain: what waits for a scan waits for a quarter of it at most (scan-pause.ts). */
const DRAIN_TIMEOUT = '90s';
/** One scan, on a machine that is busy with other work. */
const SCAN_TIMEOUT = '45s';
export const REQUESTS_PER_SECOND = 400;
/** Traffic flows where no request of half a second took so long. */
const [WATCHED_MS, CALM_MS] = [500, 100];
const KEY_LENGTH = 32;
/** Of the table itself; the entries get shorter lives of their own. */
const EXPIRE_MS = 30 * 60_000;

/** A HAProxy whose stick table holds a million users, users of the other nodes, and the sidecar of one node. */
export interface TableSite {
  readonly haproxy: Haproxy;
  readonly agent: Agent;
  readonly users: ChildProgram<UsersCommand, UsersReport>;
  /** Puts the others' entries into the empty table. */
  fill(): Promise<void>;
  /** Gives those their whole life again, and lets the node have users, for OWN_LIFE_MS. Resolves once traffic flows as before. */
  renew(): Promise<void>;
  /** Resolves once HAProxy is as old as the entries can be. */
  untilBelieved(signal: AbortSignal): Promise<void>;
  /** @throws Error where entries of the others have run out */
  requireFull(): Promise<void>;
  close(): Promise<void>;
}

/** @param node whose sidecar it is; its server is never used but for the entries */
export async function openTableSite(node: SiteNode, signal: AbortSignal): Promise<TableSite> {
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
    const options = { sections, timeout: DRAIN_TIMEOUT };
    const sidecar = await startSidecar({ dir: haproxy.dir, haproxy }, node, signal, options);
    closers.push(() => sidecar.kill());
    const { renew, ...table } = tableOf(haproxy, peer, node.name);
    const calm = (): Promise<void> => untilCalm(users, signal);
    return { haproxy, agent: agentOf(sidecar), users, ...table, renew: () => renew().then(calm), close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** HAProxy has the million entries a second or two before it is done with them, and its users wait meanwhile. */
async function untilCalm(users: TableSite['users'], signal: AbortSignal): Promise<void> {
  await users.ask({ report: true });
  await until('no user waits for the entries any more', async () => {
    await sleep(WATCHED_MS, undefined, { signal });
    const { ms } = await users.ask({ report: true });
    return ms.length > 0 && Math.max(...ms) < CALM_MS;
  });
}

type Table = Pick<TableSite, 'fill' | 'renew' | 'untilBelieved' | 'requireFull'>;

function tableOf(haproxy: Haproxy, peer: number, node: string): Table {
  const teacher = { port: peer, pupil: 'me', teacher: 'fake', table: 'app', keyLength: KEY_LENGTH };
  const taught = (entries: readonly PeerEntry[], known: number): Promise<void> =>
    teach(haproxy.socket, { ...teacher, expireMs: EXPIRE_MS }, entries, known);
  const others = entriesOf('other', ENTRIES - OWN, OTHERS_LIFE_S * 1_000);
  const used = async (): Promise<number> =>
    Number(/used:(\d+)/.exec(await haproxy.command('show table'))?.[1]);
  const ageS = async (): Promise<number> =>
    Number(/^Uptime_sec: (\d+)$/m.exec(await haproxy.command('show info'))?.[1]);
  return {
    fill: () => taught(others, 0),
    renew: async () => taught([...others, ...entriesOf(node, OWN, OWN_LIFE_MS)], others.length),
    async untilBelieved(signal) {
      await sleep(Math.max(0, OTHERS_LIFE_S - (await ageS())) * 1_000, undefined, { signal });
      await until(`HAProxy is ${OTHERS_LIFE_S} s old`, async () => (await ageS()) >= OTHERS_LIFE_S);
    },
    async requireFull() {
      const left = await used();
      if (left < others.length) throw new Error(`only ${left} entries are left: the run took too long`);
    },
  };
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
