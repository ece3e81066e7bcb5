import type { EtcdLockConfig } from '../../config/config.ts';
import type { Claim, SlotHolder } from '../../lifecycle/model/pool.ts';
import type { Clock } from '../../system/clock.ts';
import { LastcallError, messageOf } from '../../system/error.ts';
import type { Log } from '../../system/log-port.ts';
import { createMutex } from '../../system/mutex.ts';
import type { FleetLock } from '../lock.ts';
import { createClaimSession, type ClaimSession } from './claim-session.ts';
import { createGateway, LEASE_GONE, withinLockTimeout } from './gateway.ts';
import { keysOf, type PoolKeys } from './pool-keys.ts';
import { findClaim, showPool, splitRevision, type PoolState } from './pool-state.ts';
import { createPoolStore, type PoolStore } from './pool-store.ts';
import { markStep, removal, restoreStep, takeStep } from './take-step.ts';
import { absent, modifiedAt, valueIs, type Change } from './transaction.ts';

/**
 * A semaphore of a pool in etcd: the first ones of the queue, by create revision, take the slots. A slot's key has no
 * lease and outlives its holder; a key under a lease says that the holder lives, and so is a place in the queue. Every
 * change is a transaction that compares what it was decided by.
 */
export function createEtcdLock(
  { endpoints, ttlMs }: Omit<EtcdLockConfig, 'kind'>,
  pool: string,
  ports: { readonly clock: Clock; readonly log: Log },
): FleetLock {
  const gateway = createGateway(endpoints, ports.clock);
  const keys = keysOf(pool);
  const ttlS = Math.ceil(ttlMs / 1000);
  const store = createPoolStore(gateway, keys, ttlS, ports.clock);
  const sessions = new Map<string, ClaimSession>();
  const mutex = createMutex();
  const ending = new AbortController();

  const bounded = <T>(signal: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T> =>
    withinLockTimeout(gateway.name, ports.clock, signal, work);
  const runExclusive = <T>(signal: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T> =>
    bounded(signal, (own) => mutex.runExclusive(own, () => work(own)));
  const restore = (session: ClaimSession, signal: AbortSignal): Promise<PoolState> =>
    session.advance((now, own) => restoreStep(keys, now, own), signal);

  const sessionOf = (claim: Claim): ClaimSession => {
    const onKept = async (kept: ClaimSession): Promise<void> => {
      await runExclusive(ending.signal, async (signal) => {
        // It may have been given back while this waited.
        if (sessions.get(kept.claim.id) === kept) await restore(kept, signal);
      });
    };
    const session =
      sessions.get(claim.id) ?? createClaimSession(claim, { gateway, store, ttlS, ...ports, onKept });
    sessions.set(claim.id, session);
    session.claim = claim;
    return session;
  };

  const remove = async (claim: Claim, signal: AbortSignal): Promise<PoolState> => {
    const done = await store.commit(null, { compares: [], writes: removal(keys, claim) }, signal);
    // It names no lease, so etcd misses none.
    return done === LEASE_GONE ? store.read(signal) : done.pool;
  };

  void foundAhead(store, gateway.name, ports.log, ending.signal);
  return {
    name: gateway.name,
    take: (claim, signal) =>
      runExclusive(signal, async (own) =>
        showPool(keys, await sessionOf(claim).advance((now, mine) => takeStep(keys, now, mine), own)),
      ),
    look: (signal) =>
      bounded(signal, async (own) => {
        const now = await store.read(own);
        const lost = [...sessions.values()].find((session) => session.isLostIn(now));
        if (lost === undefined) return showPool(keys, now);
        return showPool(keys, await mutex.runExclusive(own, () => restore(lost, own)));
      }),
    mark: (claim, state, failure, signal) =>
      runExclusive(signal, async (own) => {
        const session = sessionOf(claim);
        await restore(session, own);
        const now = await session.advance((read) => markStep(keys, read, claim, state, failure), own);
        if (findClaim(now, claim)?.lease === null) return showPool(keys, now);
        session.stop();
        sessions.delete(claim.id);
        throw notHeld(gateway.name, claim);
      }),
    give: (claim, signal) =>
      runExclusive(signal, async (own) => {
        const session = sessions.get(claim.id);
        sessions.delete(claim.id);
        session?.stop();
        const done = await remove(claim, own);
        if (session === undefined) return showPool(keys, done);
        // A change of ours that arrives only now has the session's lease, and does nothing once that is gone.
        await session.revoke(own);
        return showPool(keys, await remove(claim, own));
      }),
    free: (holder, signal) =>
      bounded(signal, async (own) => {
        const change = freeing(keys, holder);
        const done = change === null ? null : await store.commit(null, change, own);
        return done !== null && done !== LEASE_GONE && done.isDone;
      }),
    close() {
      ending.abort(new LastcallError('cancelled', `${gateway.name}: closed`));
      for (const session of sessions.values()) session.stop();
      return Promise.resolve();
    },
  };
}

/** A pool that is new is founded now, and its first slot need not wait for that. */
async function foundAhead(store: PoolStore, lock: string, log: Log, signal: AbortSignal): Promise<void> {
  try {
    await store.read(signal);
  } catch (error) {
    if (!signal.aborted) log.warn('the fleet lock does not answer yet', { lock, error: messageOf(error) });
  }
}

/** Null for a holder that was not read here. */
function freeing(keys: PoolKeys, { claim, revision, alive }: SlotHolder): Change | null {
  const read = splitRevision(revision);
  if (read === null) return null;
  const compares = [valueIs(keys.epoch, read.epoch), modifiedAt(keys.claim(claim), read.modified)];
  return {
    // One that was taken for dead, and has said meanwhile that it lives, keeps it.
    compares: alive ? compares : [...compares, absent(keys.alive(claim))],
    writes: removal(keys, claim),
  };
}

function notHeld(name: string, { node, pool }: Claim): LastcallError {
  return new LastcallError('failed', `${name}: ${node} holds no slot of the pool ${pool} any more`, {
    target: name,
    next: 'see who freed it: lastcall status --pool',
  });
}
