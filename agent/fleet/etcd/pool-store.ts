import { randomBytes } from 'node:crypto';
import type { Clock } from '../../system/clock.ts';
import { messageOf } from '../../system/error.ts';
import { LEASE_GONE, lockedBy, type Gateway, type GatewayAnswer } from './gateway.ts';
import { fieldsOf, listOf } from './gateway-json.ts';
import { grantLease } from './lease-keeper.ts';
import type { PoolKeys } from './pool-keys.ts';
import { readPool, type PoolState } from './pool-state.ts';
import { absent, rangeBody, transactionBody, valueIs, type Change } from './transaction.ts';

/** The keys of one pool: read and written whole, and never an older view after a newer one. */
export interface PoolStore {
  /**
   * The pool as it is after the call began. One that etcd does not know, or does not know any more, is founded: for `ttl`
   * nothing but the slots that were lost with the data is given.
   * @throws LastcallError `locked` when etcd does not answer, with an older view, or with what cannot be read
   */
  read(signal: AbortSignal): Promise<PoolState>;
  /**
   * Makes a change, in the epoch of `pool` alone (null: in any).
   * @returns the pool afterwards; LEASE_GONE: a lease of the change does not exist, and nothing was done
   * @throws LastcallError as `read`; the change may have been done all the same
   */
  commit(pool: PoolState | null, change: Change, signal: AbortSignal): Promise<Committed | typeof LEASE_GONE>;
}

/** The outcome of a change: done, or not done, because a comparison failed. */
export interface Committed {
  readonly isDone: boolean;
  readonly pool: PoolState;
}

/** The last point that was seen of etcd's history. */
interface Seen {
  readonly cluster: string;
  readonly revision: bigint;
  readonly epoch: string | null;
}

/** What was seen of etcd's history: no view older than that is taken. */
interface History {
  /** Null before the first view. To be kept from before a question: answers may overtake each other. */
  newest(): Seen | null;
  /** @throws LastcallError `locked` for a view older than `before`, and for what cannot be read */
  accept(answer: GatewayAnswer, range: unknown, begun: number, before: Seen | null): PoolState;
}

function createHistory(name: string, keys: PoolKeys, clock: Clock): History {
  let newest: Seen | null = null;
  return {
    newest: () => newest,
    accept({ cluster, revision }, range, begun, before) {
      const refuse = (reason: string, next: string): never => {
        throw lockedBy(name, reason, clock.now() - begun, next);
      };
      const pool = poolIn(keys, range, begun, revision, refuse);
      const { epoch } = pool;
      const isSame = before?.cluster === cluster && epoch !== null && before.epoch === epoch;
      if (isSame && revision < before.revision)
        refuse(
          `it answers with an older view (revision ${revision}; ${before.revision} was seen)`,
          'see that all endpoints are members of one cluster; after a restore from a backup, restart the sidecars',
        );
      const isNewer = newest?.cluster !== cluster || newest.epoch !== epoch || newest.revision < revision;
      if (isNewer) newest = { cluster, revision, epoch };
      return pool;
    },
  };
}

export function createPoolStore(gateway: Gateway, keys: PoolKeys, ttlS: number, clock: Clock): PoolStore {
  const history = createHistory(gateway.name, keys, clock);

  const commit = async (change: Change, signal: AbortSignal): Promise<Committed | typeof LEASE_GONE> => {
    const [begun, before] = [clock.now(), history.newest()];
    const answer = await gateway.call('kv/txn', transactionBody(change, keys.all), signal);
    if (answer === LEASE_GONE) return answer;
    const range = fieldsOf(listOf(answer.body['responses'])?.at(-1))?.['response_range'];
    return { isDone: answer.body['succeeded'] === true, pool: history.accept(answer, range, begun, before) };
  };

  const found = async (signal: AbortSignal): Promise<PoolState | null> => {
    const lease = await grantLease(gateway, ttlS, signal);
    const epoch = randomBytes(8).toString('hex');
    const writes = [
      { put: keys.epoch, value: epoch, lease: null },
      { put: keys.founding, value: '', lease },
    ];
    const done = await commit({ compares: [absent(keys.epoch)], writes }, signal);
    return done === LEASE_GONE || done.pool.epoch === null ? null : done.pool;
  };

  return {
    async read(signal) {
      for (;;) {
        const [begun, before] = [clock.now(), history.newest()];
        const answer = await gateway.call('kv/range', rangeBody(keys.all), signal);
        // Only a lease can be gone; a range has none.
        if (answer === LEASE_GONE) continue;
        const pool = history.accept(answer, answer.body, begun, before);
        const founded = pool.epoch === null ? await found(signal) : pool;
        if (founded !== null) return founded;
      }
    },
    commit(pool, { compares, writes }, signal) {
      const inEpoch = pool === null ? [] : [valueIs(keys.epoch, pool.epoch ?? '')];
      return commit({ compares: [...inEpoch, ...compares], writes }, signal);
    },
  };
}

function poolIn(
  keys: PoolKeys,
  range: unknown,
  begun: number,
  revision: bigint,
  refuse: (reason: string, next: string) => never,
): PoolState {
  try {
    return readPool(keys, range, begun, revision);
  } catch (error) {
    return refuse(messageOf(error), 'see what wrote it (etcdctl get KEY); remove it if no node is out by it');
  }
}
