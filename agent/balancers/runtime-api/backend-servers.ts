import { showBackendServers } from '../../haproxy/command.ts';
import { parseStats, type StatRow } from '../../haproxy/replies/show-stat.ts';
import { answersOf } from '../../haproxy/reply.ts';
import type { SendCommand } from '../../haproxy/server-reader.ts';
import type { ServerName } from '../../haproxy/names.ts';
import type { PoolServer } from '../../lifecycle/model/pool-report.ts';
import { LastcallError } from '../../system/error.ts';
import type { DriverContext } from './poll.ts';

/**
 * Every server of the backends in which ours stand, one command for each backend.
 * @throws LastcallError as `look`
 */
export async function readBackendServers(context: DriverContext, ask: SendCommand): Promise<PoolServer[]> {
  const backends = new Map([...context.names.values()].map((name) => [name.backend, name]));
  const servers: PoolServer[] = [];
  for (const name of backends.values()) servers.push(...(await serversOf(context, ask, name)));
  return servers;
}

/** A number is a position, which a reload may give to another backend: then ours is found by its name anew. */
async function serversOf(
  { reader }: DriverContext,
  ask: SendCommand,
  name: ServerName,
): Promise<PoolServer[]> {
  const known = reader.idsOf(name);
  const first = known === undefined ? [] : await rowsAt(ask, known.backendId, name.backend);
  if (first.length > 0) return first;
  await reader.read(ask, name);
  const found = reader.idsOf(name);
  const rows = found === undefined ? [] : await rowsAt(ask, found.backendId, name.backend);
  if (rows.length > 0) return rows;
  throw new LastcallError('balancer-unreachable', `HAProxy shows no servers of backend ${name.backend}`, {
    target: name.backend,
    next: 'ask again (a reload may be under way)',
  });
}

async function rowsAt(ask: SendCommand, backendId: number, backend: string): Promise<PoolServer[]> {
  const reply = await ask(showBackendServers({ backendId }));
  const [stats = ''] = answersOf(reply);
  return parseStats(stats, reply)
    .filter((row) => row.text('pxname') === backend)
    .map((row) => serverOf(backend, row));
}

function serverOf(backend: string, row: StatRow): PoolServer {
  return {
    name: `${backend}/${row.text('svname') ?? ''}`,
    status: row.text('status') ?? '',
    seconds: row.count('lastchg'),
    connections: row.count('scur'),
    queued: row.count('qcur'),
  };
}
