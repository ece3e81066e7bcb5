import type { EtcdLockConfig } from '../../config/config.ts';
import type { Claim, PoolView, SlotHolder } from '../../lifecycle/model/pool.ts';
import type { Clock } from '../../system/clock.ts';
import { LastcallError, messageOf } from '../../system/error.ts';
import type { Log } from '../../system/log-port.ts';
import { createMutex } from '../../system/mutex.ts';
import type { FleetLock } from '../lock.ts';
import { createClaimSession, type ClaimSession } from './claim-session.ts';
import { createGateway, LEASE_GONE, withinLockTimeout, type Gateway } from './gateway.ts';
import { keysOf, type PoolKeys } from './pool-keys.ts';
import { findClaim, showPool, splitRevision, type PoolState } from './pool-state.ts';
import { createPoolStore, type PoolStore } from './pool-store.ts';
import { markStep, removal, restoreStep, takeStep } from './take-step.ts';
import { absent, modifiedAt, valueIs, type Change } from './transaction.ts';

type LockPorts = { readonly clock: Clock; readonly log: Log };

/** What the questions of one lock share. */
interface LockParts {
  readonly gateway: Gateway;
  readonly keys: PoolKeys;
  readonly store: PoolStore;
  readonly sessions: ClaimSessions;
  /** Runs `work` within the time for one question. @throws LastcallError `locked`, or the signal's reason */
  readonly bounded: <T>(signal: AbortSignal, work: (signal: AbortSignal) => Promise<T>) => Promise<T>;
  /** The same after all earlier questions have ended: for changes of the pool. */
  readonly exclusive: <T>(signal: AbortSignal, work: (signal: AbortSignal) => Promise<T>) => Promise<T>;
  /** Runs `work` after earlier changes of the pool, within a question that has its deadline already. */
  readonly alone: <T>(signal: AbortSignal, work: () => Promise<T>) => Promise<T>;
}

/** The claims of this process, each with its sign of life in etcd and the slot that it has. */
interface ClaimSessions {
  /** The session of the claim, which takes over this version of it; begun where there is none. */
  of(claim: Claim): ClaimSession;
  /** Ends the session: its sign of life is renewed no more. */
  end(claim: Claim): ClaimSession | undefined;
  all(): readonly ClaimSession[];
}

/**
 * A semaphore of a pool in etcd: the first ones of the queue, by create revision, take the slots. A slot's key has no
 * lease and outlives its holder; a key under a lease says that the holder lives, and so is a place in the queue. Every
 * change is a transaction that compares what it was decided by.
 */
export function createEtcdLock(
  { endpoints, ttlMs }: Omit<EtcdLockConfig, 'kind'>,
  pool: string,
  ports: LockPorts,
): FleetLock {
  const ending = new AbortController();
  const gateway = createGateway(endpoints, ports.clock);
  const shared = share(gateway, keysOf(pool), Math.ceil(ttlMs / 1000), ports, ending.signal);
  const { bounded, exclusive } = shared;
  void foundAhead(shared.store, gateway.name, ports.log, ending.signal);
  return {
    name: gateway.name,
    take: (claim, signal) => exclusive(signal, (own) => take(shared, claim, own)),
    look: (signal) => bounded(signal, (own) => look(shared, own)),
    mark: (claim, state, failure, signal) =>
      exclusive(signal, (own) => mark(shared, claim, { state, failure }, own)),
    give: (claim, signal) => exclusive(signal, (own) => give(shared, claim, own)),
    free: (holder, signal) => bounded(signal, (own) => free(shared, holder, own)),
    close() {
      ending.abort(new LastcallError('cancelled', `${gateway.name}: closed`));
      for (const session of shared.sessions.all()) session.stop();
      return Promise.resolve();
    },
  };
}

/** @param ending ends what the sessions do by themselves */
function share(
  gateway: Gateway,
  keys: PoolKeys,
  ttlS: number,
  ports: LockPorts,
  ending: AbortSignal,
): LockParts {
  const mutex = createMutex();
  const store = createPoolStore(gateway, keys, ttlS, ports.clock);
  const bounded: LockParts['bounded'] = (signal, work) =>
    withinLockTimeout(gateway.name, ports.clock, signal, work);
  const exclusive: LockParts['exclusive'] = (signal, work) =>
    bounded(signal, (own) => mutex.runExclusive(own, () => work(own)));
  const known = new Map<string, ClaimSession>();

  const onKept = (kept: ClaimSession): Promise<void> =>
    exclusive(ending, async (signal) => {
      // It may have been given back while this waited.
      if (known.get(kept.claim.id) === kept) await restore(keys, kept, signal);
    });
  const sessions: ClaimSessions = {
    of(claim) {
      const session =
        known.get(claim.id) ?? createClaimSession(claim, { gateway, store, ttlS, ...ports, onKept });
      known.set(claim.id, session);
      session.claim = claim;
      return session;
    },
    end({ id }) {
      const session = known.get(id);
      known.delete(id);
      session?.stop();
      return session;
    },
    all: () => [...known.values()],
  };
  return {
    gateway,
    keys,
    store,
    sessions,
    bounded,
    exclusive,
    alone: (signal, work) => mutex.runExclusive(signal, work),
  };
}

function restore(keys: PoolKeys, session: ClaimSession, signal: AbortSignal): Promise<PoolState> {
  return session.advance((now, own) => restoreStep(keys, now, own), signal);
}

async function take({ keys, sessions }: LockParts, claim: Claim, signal: AbortSignal): Promise<PoolView> {
  return showPool(keys, await sessions.of(claim).advance((now, own) => takeStep(keys, now, own), signal));
}

async function look({ keys, store, sessions, alone }: LockParts, signal: AbortSignal): Promise<PoolView> {
  const now = await store.read(signal);
  const lost = sessions.all().find((session) => session.isLostIn(now));
  if (lost === undefined) return showPool(keys, now);
  return showPool(keys, await alone(signal, () => restore(keys, lost, signal)));
}

async function mark(
  { gateway, keys, sessions }: LockParts,
  claim: Claim,
  { state, failure }: Pick<SlotHolder, 'state' | 'failure'>,
  signal: AbortSignal,
): Promise<PoolView> {
  const session = sessions.of(claim);
  await restore(keys, session, signal);
  const now = await session.advance((read) => markStep(keys, read, claim, state, failure), signal);
  if (findClaim(now, claim)?.lease === null) return showPool(keys, now);
  sessions.end(claim);
  throw notHeld(gateway.name, claim);
}

async function give(shared: LockParts, claim: Claim, signal: AbortSignal): Promise<PoolView> {
  const { keys, sessions } = shared;
  const session = sessions.end(claim);
  const done = await remove(shared, claim, signal);
  if (session === undefined) return showPool(keys, done);
  // A change of ours that arrives only now has the session's lease, and does nothing once that is gone.
  await session.revoke(signal);
  return showPool(keys, await remove(shared, claim, signal));
}

async function remove({ keys, store }: LockParts, claim: Claim, signal: AbortSignal): Promise<PoolState> {
  const done = await store.commit(null, { compares: [], writes: removal(keys, claim) }, signal);
  // The change names no lease, so etcd cannot miss one.
  return done === LEASE_GONE ? store.read(signal) : done.pool;
}

/** @returns whether it was freed: nothing of it has changed since it was read */
async function free({ keys, store }: LockParts, holder: SlotHolder, signal: AbortSignal): Promise<boolean> {
  const change = freeing(keys, holder);
  const done = change === null ? null : await store.commit(null, change, signal);
  return done !== null && done !== LEASE_GONE && done.isDone;
}

/** Founds a new pool now, so that its first slot need not wait for that. */
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
    // A holder that was taken for dead, and has put its sign of life meanwhile, keeps the slot.
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
