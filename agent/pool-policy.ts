import { randomBytes } from 'node:crypto';
import type { Config } from './config/config.ts';
import { lockAddresses } from './fleet/create.ts';
import { parseAddress } from './haproxy/address.ts';
import { placeOf } from './haproxy/place.ts';
import type { PoolPolicy } from './lifecycle/model/policy.ts';
import { bootId } from './system/process.ts';

/** The pool whose lock is kept, and this node's servers at each HAProxy, by a name of it that other nodes know too. */
export function poolOf({ pool, lock, balancers }: Config): PoolPolicy | null {
  if (pool === null || lock === null) return null;
  const places = balancers.flatMap((balancer) => {
    if (balancer.kind !== 'haproxy') return [];
    const { address, servers } = balancer;
    return [{ address, servers, place: placeOf(address, parseAddress(address, 'config'), bootId()) }];
  });
  return {
    ...pool,
    lock: lockAddresses(lock),
    servers: Object.fromEntries(places.map(({ place, servers }) => [place, servers])),
    balancers: Object.fromEntries(places.map(({ place, address }) => [place, address])),
    seed: randomBytes(5).toString('hex'),
  };
}
