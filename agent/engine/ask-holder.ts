import type { Effect } from '../lifecycle/model/effect.ts';
import type { Event, HolderServer } from '../lifecycle/model/event.ts';
import type { HolderPlace } from '../lifecycle/model/slot.ts';
import { errorText } from '../system/error-text.ts';
import { LastcallError } from '../system/error.ts';
import type { Ports } from './ports.ts';

/** Questions about a node of the pool that holds a slot and whose sidecar does not live. Never throws: a failure is an event too. */

type HolderEvent<T extends Event['type']> = Omit<Extract<Event, { type: T }>, 'at'>;

/** Reads its servers at our balancers. */
export async function readHolder(
  ports: Pick<Ports, 'balancers' | 'clock'>,
  { id, places }: Extract<Effect, { type: 'read-holder' }>,
  signal: AbortSignal,
): Promise<HolderEvent<'holder-read'>> {
  const startedAt = ports.clock.now();
  try {
    const rows = await Promise.all(places.map((place) => serversAt(ports, place, signal)));
    return { type: 'holder-read', id, servers: rows.flat(), error: null, startedAt };
  } catch (error) {
    return { type: 'holder-read', id, servers: null, error: errorText(error), startedAt };
  }
}

async function serversAt(
  { balancers }: Pick<Ports, 'balancers'>,
  { balancer, servers }: HolderPlace,
  signal: AbortSignal,
): Promise<HolderServer[]> {
  const driver = balancers.find(({ name }) => name === balancer);
  if (driver?.readServers === undefined)
    throw new LastcallError('failed', `${balancer} shows no servers of other nodes`);
  const views = await driver.readServers(servers, signal);
  return views.map((view) => ({ ...view, balancer }));
}

/** Frees its slot at the lock. */
export async function freeHolder(
  { lock }: Pick<Ports, 'lock'>,
  { holder }: Extract<Effect, { type: 'free-holder' }>,
  signal: AbortSignal,
): Promise<HolderEvent<'holder-freed'>> {
  try {
    const isFreed = lock !== null && (await lock.free(holder, signal));
    return { type: 'holder-freed', holder, isFreed, error: null };
  } catch (error) {
    return { type: 'holder-freed', holder, isFreed: false, error: errorText(error) };
  }
}
