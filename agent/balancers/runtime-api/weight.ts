import { setWeight } from '../../haproxy/command.ts';
import type { ServerName } from '../../haproxy/names.ts';
import { expectDone } from '../../haproxy/reply.ts';
import type { SendCommand } from '../../haproxy/server-reader.ts';
import type { WeightRequest } from '../balancer.ts';
import type { DeadlineClient } from './deadline-client.ts';
import type { DriverContext } from './poll.ts';

/**
 * Sets the weight of a server (srv_uweight) by the Runtime API, as `Balancer.setWeight`.
 * @param statsSocket reading and writing go over one connection, and so to one worker
 */
export async function writeWeight(
  context: DriverContext,
  statsSocket: DeadlineClient,
  name: ServerName,
  { weight, mayReplace }: WeightRequest,
): Promise<number | null> {
  const read = async (ask: SendCommand): Promise<number | null> => {
    const found = await context.absences.read(ask, name);
    return 'absent' in found ? null : found.row.count('uweight');
  };
  const untouched = await statsSocket.session(async (ask) => {
    const found = await read(ask);
    if (found === null || found === weight || !mayReplace.includes(found)) return { found };
    expectDone(await ask(setWeight(name, weight)));
    return null;
  });
  return untouched === null ? read(statsSocket.ask) : untouched.found;
}
