import type { ControlClient } from '../../control/client.ts';
import type { Status } from '../../lifecycle/model/api.ts';
import type { HoldersReport } from '../../lifecycle/model/forecast.ts';
import { PHASES } from '../../lifecycle/model/phase.ts';
import { messageOf } from '../../system/error.ts';
import { alignTable } from './table.ts';
import { age, type Paint, countText, secondsText } from './format.ts';

/**
 * The open connections of the node: asked for only while it is going out, since HAProxy has to walk over its
 * streams for it.
 */

/** The open connections, or why they are unknown. */
export type ConnectionReport = HoldersReport | { readonly error: string };

export function isGoingOut({ phase }: Status): boolean {
  return PHASES[phase].waits;
}

/** Asks the sidecar. A failure is part of the output, and not one of the status; an abort is. */
export async function fetchConnections(
  client: Pick<ControlClient, 'holders'>,
  signal: AbortSignal,
): Promise<ConnectionReport> {
  try {
    return await client.holders(signal);
  } catch (error) {
    signal.throwIfAborted();
    return { error: messageOf(error) };
  }
}

/** An answer that is older is shown with its age, in milliseconds: where HAProxy needs long for it, it is asked less often. */
const OLD_MS = 5_000;

/** By kind and server, and the longest-lived of them, for people. */
export function connectionTable(
  connections: ConnectionReport,
  { balancers }: Status,
  now: Date,
  paint: Paint,
): string[] {
  if ('error' in connections) return [`who holds it: unknown (${connections.error})`];
  const kinds = connections.servers.map(({ balancer, server, requests, tunnels, queued, idle, error }) =>
    error === null
      ? [balancer, server, ...[requests, tunnels, queued, idle].map(countText)]
      : [balancer, server, `unknown: ${error}`],
  );
  const current = new Map(balancers.map(({ name, pid }) => [name, pid]));
  const oldest = connections.oldest.map(({ kind, ageSeconds, worker, balancer, server }) => {
    const old = worker === current.get(balancer) ? '' : ' (from before a reload)';
    return [kind, secondsText(ageSeconds), balancer, server, `${worker}${old}`];
  });
  const isOld = now.getTime() - Date.parse(connections.at) > OLD_MS;
  return [
    ...(isOld ? [paint('yellow', `open connections as they were ${age(connections.at, now)} ago:`)] : []),
    ...table(['HELD AT', 'SERVER', 'IN FLIGHT', 'TUNNELS', 'QUEUED', 'IDLE'], kinds, paint),
    ...table(['OLDEST', 'AGE', 'BALANCER', 'SERVER', 'WORKER'], oldest, paint),
  ];
}

function table(head: string[], rows: string[][], paint: Paint): string[] {
  if (rows.length === 0) return [];
  const [header = '', ...lines] = alignTable([head, ...rows]);
  return [paint('dim', header), ...lines];
}

/** A short form for one line; over all servers, unknown where one of them is. */
export function connectionSummary(connections: ConnectionReport): string {
  if ('error' in connections) return 'who holds it is unknown';
  const sum = (key: 'requests' | 'tunnels' | 'queued'): string =>
    countText(
      connections.servers.reduce<number | null>((total, server) => {
        const more = server[key];
        return total === null || more === null ? null : total + more;
      }, 0),
    );
  return `in flight ${sum('requests')}, tunnels ${sum('tunnels')}, queued ${sum('queued')}`;
}
