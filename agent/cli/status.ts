import { fetchConnections, isGoingOut } from './view/connections.ts';
import type { Context } from './ports.ts';
import { findSidecar } from './find-sidecar.ts';
import { showPool } from './pool.ts';
import { writeStatus } from './view/status.ts';
import { watchStatus } from './watch.ts';

export interface StatusOptions {
  /** Again and again until interrupted. */
  readonly watch: boolean;
  /** The whole pool in place of this node. */
  readonly pool: boolean;
}

/**
 * `lastcall status`: once, or at every change until interrupted.
 * @returns the exit code
 * @throws LastcallError `agent-unreachable`, or where the sidecar cannot be found
 */
export async function showStatus(context: Context, { watch, pool }: StatusOptions): Promise<number> {
  const client = await findSidecar(context);
  if (pool) return showPool(context, client, watch);
  if (watch) return watchStatus(context, client);
  const { signal } = new AbortController();
  const status = await client.status(signal);
  const connections = isGoingOut(status) ? await fetchConnections(client, signal) : null;
  if (context.globals.quiet !== true) writeStatus(context, status, connections);
  return 0;
}
