import { setWeight } from '../../haproxy/command.ts';
import type { ServerName } from '../../haproxy/names.ts';
import { expectDone } from '../../haproxy/reply.ts';
import type { SendCommand } from '../../haproxy/server-reader.ts';
import type { ServerWeight, WeightRequest } from '../balancer.ts';
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

/** What HAProxy says of a percent by agent-check that it has not taken (BEHAVIOUR.md#agent-check-line). */
const STATIC_BALANCING = /^(via agent|agent warns) : .*static LB algorithm/;

/** Both weights of a server, as `Balancer.weightOf`; whole, since the configured one stands beside the admin bits only. */
export async function readWeights(
  { absences, reader }: DriverContext,
  { ask }: Pick<DeadlineClient, 'ask'>,
  name: ServerName,
): Promise<ServerWeight | null> {
  if ('absent' in (await absences.read(ask, name))) return null;
  const { row, state } = await reader.readFull(ask, name);
  const isRefused = STATIC_BALANCING.test(row.text('last_agt') ?? '');
  return { weight: row.count('uweight'), configured: state.initialWeight, isRefused };
}
