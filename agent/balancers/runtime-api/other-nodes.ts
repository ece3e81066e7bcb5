import { parseServerName } from '../../haproxy/names.ts';
import { readEach } from '../../haproxy/shared-lines.ts';
import type { SendCommand } from '../../haproxy/server-reader.ts';
import type { ServerView } from '../../lifecycle/model/observation.ts';
import { readRow, type DriverContext } from './poll.ts';

/**
 * Servers of another node, a row of each; the admin bits as well where a row does not show the state.
 * @throws LastcallError as `look`; `config` for an invalid name, before anything is sent
 */
export async function readServersOf(
  context: DriverContext,
  ask: SendCommand,
  servers: readonly string[],
): Promise<ServerView[]> {
  const names = servers.map((server) => [server, parseServerName(server, 'config')] as const);
  const readings = await readEach(ask, names, (each, [server, name]) =>
    readRow(context, each, server, name, 'own'),
  );
  return readings.map(({ view }) => view);
}
