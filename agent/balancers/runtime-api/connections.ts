import { showInfo, showStreams, batch, toWorker } from '../../haproxy/command.ts';
import type { ServerName } from '../../haproxy/names.ts';
import { reloadError } from '../../haproxy/spoilt-by-reload.ts';
import type { LastcallError } from '../../system/error.ts';
import type { StreamLine } from '../../haproxy/replies/show-sess.ts';
import type { Holder, Holders, Worker } from '../../lifecycle/model/observation.ts';
import type { DriverContext, Connections } from './poll.ts';
import { createTopN, eachStream } from './streams.ts';

/** How many of the longest-lived connections are listed. */
const OLDEST = 10;

/** The open connections of a server, over all workers: `Balancer.holders`. */
export async function readConnections(
  context: DriverContext,
  connections: Connections,
  name: ServerName,
): Promise<Holders> {
  const found = await context.absences.read(connections.statsSocket.ask, name);
  const { info } = found;
  const counts = { request: 0, tunnel: 0, queued: 0 };
  const oldest = createTopN<Holder>(OLDEST, (one, other) => other.ageSeconds - one.ageSeconds);
  const current = context.workers.identify(info);
  const see = (worker: number, { ageSeconds, stage }: StreamLine): void => {
    if (stage === 'over') return;
    counts[stage] += 1;
    oldest.add({ kind: stage, ageSeconds, worker });
  };
  if (!('absent' in found))
    await eachOnCurrentWorker(connections, name, info.pid, (stream) => see(info.pid, stream));
  await eachOnOldWorkers(context, connections, name, current, see);
  const server = `${name.backend}/${name.server}`;
  const past =
    connections.master && (await context.old?.count(connections.master, context.names))?.get(server);
  const own = 'absent' in found ? 0 : found.row.count('idle_conn_cur');
  const idle = own === null || past?.idle === null ? null : own + (past?.idle ?? 0);
  return {
    requests: counts.request,
    tunnels: counts.tunnel,
    queued: counts.queued,
    idle,
    oldest: oldest.all,
  };
}

/** Those of the worker that answers now. @throws LastcallError when that is another one than `pid` */
export async function eachOnCurrentWorker(
  { statsSocket }: Connections,
  name: ServerName,
  pid: number,
  onStream: (stream: StreamLine) => void,
): Promise<void> {
  const command = batch(showInfo(), showStreams(name));
  await eachStream(statsSocket, command, name, onStream, (line) => {
    if (line.startsWith('Pid: ') && line !== `Pid: ${pid}`) throw reloaded(statsSocket.target);
  });
}

/** Those of the workers of before a reload, as far as a master lists them. */
export async function eachOnOldWorkers(
  context: DriverContext,
  { master }: Connections,
  name: ServerName,
  current: Worker,
  onStream: (worker: number, stream: StreamLine) => void,
): Promise<void> {
  if (context.old === null || master === null) return;
  for (const pid of await context.old.pids(master.ask, current)) {
    const command = toWorker(pid, showStreams(name));
    await context.old.unlessWorkerEnded(master.ask, pid, () =>
      eachStream(master, command, name, (stream) => onStream(pid, stream)),
    );
  }
}

function reloaded(target: string): LastcallError {
  return reloadError(`${target}: HAProxy was reloaded while it was asked`, { target });
}
