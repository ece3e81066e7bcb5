import type { Claim } from '../../lifecycle/model/pool.ts';
import type { Clock } from '../../system/clock.ts';
import type { Log } from '../../system/log-port.ts';
import { LEASE_GONE, type Gateway } from './gateway.ts';
import { createLeaseKeeper } from './lease-keeper.ts';
import { findClaim, type PoolState } from './pool-state.ts';
import type { PoolStore } from './pool-store.ts';
import { type HeldSlot, type OwnClaim } from './take-step.ts';
import type { Change } from './transaction.ts';

/** What this process does for one claim: it keeps the sign of life in etcd, and remembers which slot it has. */
export interface ClaimSession {
  /** The claim as it was last asked for. */
  claim: Claim;
  /**
   * Changes the pool until the step has nothing more to do.
   * @returns the pool then
   * @throws LastcallError as the store; what was begun goes on with the next call
   */
  advance(step: ClaimStep, signal: AbortSignal): Promise<PoolState>;
  /** Whether the slot that we held is gone with etcd's data. */
  isLostIn(pool: PoolState): boolean;
  /** Stops renewing the sign of life. */
  stop(): void;
  /** Ends the sign of life at once; a place in the queue goes with it. @throws LastcallError `locked` when etcd does not answer */
  revoke(signal: AbortSignal): Promise<void>;
}

/** The next change for a claim, by the pool as it is; null = there is none. */
export type ClaimStep = (pool: PoolState, own: OwnClaim) => Change | null;

/** What a session works with. */
export interface SessionPorts {
  readonly gateway: Gateway;
  readonly store: PoolStore;
  readonly ttlS: number;
  readonly clock: Clock;
  readonly log: Log;
  /** Called three times within a lease: puts again what is missing. */
  readonly onKept: (session: ClaimSession) => Promise<void>;
}

export function createClaimSession(first: Claim, ports: SessionPorts): ClaimSession {
  const { gateway, store, ttlS, clock, log } = ports;
  let slot: HeldSlot | null = null;
  const keeper = createLeaseKeeper(gateway, ttlS, { clock, log, onKept: () => ports.onKept(session) });

  /** A slot that another freed is seen to be gone in the epoch in which we had it: we do not take it again. */
  const observe = (pool: PoolState): void => {
    const stored = findClaim(pool, session.claim);
    if (stored?.lease === null) {
      const { state, failure, since } = stored;
      const fields = { pool: stored.claim.pool, claim: stored.claim.id };
      if (slot !== null && slot.epoch !== pool.epoch)
        log.warn('the fleet lock lost its data: the slot was put again', fields);
      slot = { epoch: pool.epoch ?? '', state, failure, since };
    } else if (slot?.epoch === pool.epoch) slot = null;
  };

  const session: ClaimSession = {
    claim: first,
    async advance(step, signal) {
      let pool = await store.read(signal);
      for (;;) {
        observe(pool);
        const lease = await keeper.ensure(signal);
        const own = { claim: session.claim, lease, slot, wall: clock.wall().getTime() };
        const change = step(pool, own);
        if (change === null) return pool;
        const done = await store.commit(pool, change, signal);
        if (done === LEASE_GONE) keeper.forget();
        pool = done === LEASE_GONE ? await store.read(signal) : done.pool;
      }
    },
    isLostIn: (pool) =>
      slot !== null && slot.epoch !== pool.epoch && findClaim(pool, session.claim) === undefined,
    stop: () => keeper.stop(),
    revoke: (signal) => keeper.revoke(signal),
  };
  return session;
}
