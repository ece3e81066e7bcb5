import type { TcpSourceConfig } from '../config/source-config.ts';
import type { Client } from '../haproxy/client.ts';
import { parseServerName, type ServerName } from '../haproxy/names.ts';
import { createServerReader, type SendCommand, type ServerReader } from '../haproxy/server-reader.ts';
import { withDeadline, type Clock } from '../system/clock.ts';
import { errnoOf, isLastcallError, LastcallError, messageOf } from '../system/error.ts';
import { ownSockets, readPort, TABLES, type PortView, type Tables } from '../system/proc-net-tcp.ts';
import type { HaproxyTarget } from './haproxy-target.ts';
import { countOrThrow, type CountProblem } from '../formats/parse-count.ts';
import type { Source } from './source.ts';

/** HAProxy answers in a millisecond. Without its answer its idle connections stay in the count. */
const IDLE_POOL_MS = 300;

export interface TcpPorts {
  readonly clock: Clock;
  /** The HAProxys whose idle connections are no sessions; may be none. */
  readonly targets: readonly HaproxyTarget[];
  readonly tables?: Tables;
}

/**
 * Counts the established connections to the application's own port in the kernel's table, without any privilege:
 * they are there whatever worker of whatever balancer made them. Left out are those of this process (its probe) and
 * HAProxy's idle ones, which stay for half a minute in DRAIN.
 *
 * The table is this network namespace's. Where no process listens on the port it is another one's port, and the
 * count is unknown. (A proxy of a container runtime that listens here in the application's place cannot be
 * distinguished from it.)
 * @throws LastcallError `config` for an invalid server name
 */
export function createTcpSource(
  { port, timeoutMs }: TcpSourceConfig,
  name: string,
  { clock, targets, tables = TABLES }: TcpPorts,
): Source {
  const pools = targets.flatMap(({ client, servers }) => {
    const reader = createServerReader();
    return servers.map((server): Pool => ({ client, reader, server: parseServerName(server, 'config') }));
  });
  const look = async (signal: AbortSignal): Promise<number | CountProblem> => {
    // Only those that were idle before and after were so in between: one too many would hide a user.
    const before = await idleConnections(pools, port, { clock, signal });
    const ours = await ownSockets();
    const view = await readPort(port, tables, signal);
    if (view.listeners.size === 0) return { problem: 'no process is seen listening there' };
    const users = view.established - callsOf(view, new Set([...ours, ...(await ownSockets())]));
    if (users === 0 || before === 0) return users;
    return Math.max(0, users - Math.min(before, await idleConnections(pools, port, { clock, signal })));
  };
  const target = `port ${port}`;
  return {
    name,
    async count(signal) {
      const began = clock.now();
      const detail = (next: string) => ({ target, elapsedMs: clock.now() - began, next });
      const late = (): LastcallError =>
        new LastcallError(
          'failed',
          `${target}: not counted within ${timeoutMs} ms`,
          detail('give it a longer timeout'),
        );
      const counted = await withDeadline(clock, timeoutMs, signal, late, async (own) => {
        try {
          return await look(own);
        } catch (error) {
          own.throwIfAborted();
          if (isLastcallError(error)) return { problem: error.message };
          if (errnoOf(error) === undefined) throw error;
          return { problem: `the kernel's table cannot be read: ${messageOf(error)}` };
        }
      });
      return countOrThrow(
        counted,
        detail('run in the network namespace of the application, and see that it listens on this port'),
      );
    },
  };
}

/** How many of the connections are this process's own. */
function callsOf({ callers, calls }: PortView, ours: ReadonlySet<string>): number {
  const own = new Set([...calls].flatMap(([inode, way]) => (ours.has(inode) ? [way] : [])));
  return [...callers].filter((way) => own.has(way)).length;
}

/** One server at one HAProxy. */
interface Pool {
  readonly client: Client;
  readonly reader: ServerReader;
  readonly server: ServerName;
}

interface Bounds {
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** HAProxy's idle connections to this port, as far as it shows them. */
async function idleConnections(pools: readonly Pool[], port: number, bounds: Bounds): Promise<number> {
  const counts = await Promise.all(pools.map((pool) => idleAt(pool, port, bounds)));
  return counts.reduce((sum, count) => sum + count, 0);
}

async function idleAt(
  { client, reader, server }: Pool,
  port: number,
  { clock, signal }: Bounds,
): Promise<number> {
  const until = clock.now() + IDLE_POOL_MS;
  const ask: SendCommand = (command) => client.exchange(command, until - clock.now(), signal);
  try {
    const { row } = await reader.read(ask, server);
    // Connections to another port are not in the count: HAProxy may reach the application by another address.
    return row.text('addr')?.endsWith(`:${port}`) === true ? (row.count('idle_conn_cur') ?? 0) : 0;
  } catch (error) {
    signal.throwIfAborted();
    // Unknown, so none is left out: the count can only be too large. The balancer's own driver reports the error.
    if (isLastcallError(error)) return 0;
    throw error;
  }
}
