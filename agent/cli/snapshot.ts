import type { ControlClient } from '../control/client.ts';
import type { Context } from './ports.ts';
import { fetchConnections, isGoingOut } from './view/connections.ts';
import { writeStatus } from './view/status.ts';

/** What one status is asked of: a sidecar, or the engine in this process. */
export interface SnapshotClient extends Pick<ControlClient, 'status' | 'holders'> {
  /** It is the engine in this process. */
  readonly isDirect?: true;
}

/**
 * Shows the status of this moment, and while the node is going out its open connections.
 * @returns the exit code
 * @throws LastcallError `agent-unreachable`
 */
export async function showSnapshot(context: Context, client: SnapshotClient): Promise<number> {
  const { signal } = new AbortController();
  const status = await client.status(signal);
  const connections = isGoingOut(status) ? await fetchConnections(client, signal) : null;
  const { json, quiet } = context.globals;
  if (json === true || quiet !== true) writeStatus(context, status, connections, client.isDirect);
  return 0;
}
