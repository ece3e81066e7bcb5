import { randomBytes } from 'node:crypto';
import type { Config } from './config/config.ts';
import { lockAddresses } from './fleet/create.ts';
import { parseAddress } from './haproxy/address.ts';
import { socketIdentity } from './haproxy/socket-identity.ts';
import type { PoolPolicy } from './lifecycle/model/policy.ts';
import { bootId } from './system/process.ts';

/** The place of a balancer that only polls: no other node can read whether our servers are back there, so none frees our slot. */
const POLLS = { agentCheck: 'one that only polls agent-check', health: 'one that only polls health' };

/** The pool whose lock is kept, and this node's servers at each HAProxy, by a name of it that other nodes know too. */
export function poolOf({ pool, lock, balancers }: Config): PoolPolicy | null {
  if (pool === null || lock === null) return null;
  const places = balancers.map((balancer) => {
    if (balancer.kind !== 'haproxy') return { address: null, servers: [], place: POLLS[balancer.kind] };
    const { address, servers } = balancer;
    return { address, servers, place: socketIdentity(address, parseAddress(address, 'config'), bootId()) };
  });
  return {
    ...pool,
    lock: lockAddresses(lock),
    servers: Object.fromEntries(places.map(({ place, servers }) => [place, servers])),
    balancers: Object.fromEntries(
      places.flatMap(({ place, address }) => (address === null ? [] : [[place, address]])),
    ),
    seed: randomBytes(5).toString('hex'),
  };
}
