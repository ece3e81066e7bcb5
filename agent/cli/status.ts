import { fetchConnections, isGoingOut } from './view/connections.ts';
import type { Context } from './ports.ts';
import { findSidecar } from './find-sidecar.ts';
import { writeStatus } from './view/status.ts';
import { watchStatus } from './watch.ts';

/**
 * `lastcall status`: once, or at every change until interrupted.
 * @returns the exit code
 * @throws LastcallError `agent-unreachable`, or where the sidecar cannot be found
 */
export async function showStatus(context: Context, watch: boolean): Promise<number> {
  const client = await findSidecar(context);
  if (watch) return watchStatus(context, client);
  const { signal } = new AbortController();
  const status = await client.status(signal);
  const connections = isGoingOut(status) ? await fetchConnections(client, signal) : null;
  if (context.globals.quiet !== true) writeStatus(context, status, connections);
  return 0;
}
