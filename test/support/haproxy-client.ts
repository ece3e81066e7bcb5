import { parseAddress } from '../../agent/haproxy/address.ts';
import { createClient, type Client } from '../../agent/haproxy/client.ts';
import { showInfo } from '../../agent/haproxy/command.ts';
import { realClock, type Clock } from '../../agent/system/clock.ts';
import { ManualClock } from './manual-clock.ts';
import { never, refusalOf } from './outcome.ts';

/** Clients of a HAProxy by its address, and what one says whose time has run out. */

export const clientOf = (address: string, clock: Clock = realClock): Client =>
  createClient(address, parseAddress(address, 'config'), { clock });

/** Asks, moves the clock past the deadline as soon as it is set, and gives the error. */
export async function overtime(path: string): Promise<Awaited<ReturnType<typeof refusalOf>>> {
  const clock = new ManualClock();
  const refusal = refusalOf(() => clientOf(path, clock).exchange(showInfo(), 2_000, never));
  await clock.armed();
  clock.advance(2_000);
  return refusal;
}
