import type { Claim, PoolView, SlotHolder } from '../../lifecycle/model/pool.ts';
import { viewOf } from '../pool-queue.ts';
import { entryOf, type ClaimEntry } from './claim-entry.ts';
import { fieldsOf, int64Of, listOf, textOf } from './gateway-json.ts';
import type { PoolKeys } from './pool-keys.ts';

/** A claim as it stands in etcd. */
export interface StoredClaim extends ClaimEntry {
  /** The revision at which its key was made, which a later write of it keeps: the order of the queue. */
  readonly created: bigint;
  /** The revision of its last write. */
  readonly modified: bigint;
  /** The lease of the process that waits; null = it holds a slot. */
  readonly lease: string | null;
}

/** All keys of a pool at one revision. */
export interface PoolState {
  /** Monotonic milliseconds before it was asked. */
  readonly begun: number;
  readonly revision: bigint;
  /** Null: the pool was never used in this etcd, or its data is lost. */
  readonly epoch: string | null;
  /** A slot is given only to a node that lost it with the data. */
  readonly isFounding: boolean;
  /** In the order in which they were made. */
  readonly claims: readonly StoredClaim[];
  /** The leases of those that hold a slot and live, by the name in the key. */
  readonly alive: ReadonlyMap<string, string>;
}

/**
 * Reads the answer to a range over all keys of a pool.
 * @param range `kvs` and what else etcd says
 * @throws RangeError naming the key of a claim that cannot be read: whether it holds a slot is not known then
 */
export function readPool(keys: PoolKeys, range: unknown, begun: number, revision: bigint): PoolState {
  const rows = listOf(fieldsOf(range)?.['kvs'])?.map(readRow);
  if (rows === undefined) throw new RangeError('the answer has no list of keys');
  const claims = rows.flatMap((row) => claimIn(keys, row));
  claims.sort((one, other) => (one.created < other.created ? -1 : 1));
  const alive = rows.flatMap(({ key, lease }) => {
    const read = keys.read(key);
    return read?.kind === 'alive' ? [[read.name, lease ?? ''] as const] : [];
  });
  return {
    begun,
    revision,
    epoch: rows.find(({ key }) => key === keys.epoch)?.value ?? null,
    isFounding: rows.some(({ key }) => key === keys.founding),
    claims,
    alive: new Map(alive),
  };
}

function claimIn(keys: PoolKeys, { key, value, created, modified, lease }: KeyRow): readonly StoredClaim[] {
  if (keys.read(key)?.kind !== 'claims') return [];
  const stored = { ...entryOf(key, value), created, modified, lease };
  if (keys.claim(stored.claim) !== key) throw new RangeError(`${key}: the claim of another node or id`);
  return [stored];
}

interface KeyRow {
  readonly key: string;
  readonly value: string;
  readonly created: bigint;
  readonly modified: bigint;
  readonly lease: string | null;
}

function readRow(row: unknown): KeyRow {
  const fields = fieldsOf(row) ?? {};
  const key = textOf(fields['key']);
  const [created, modified] = [int64Of(fields['create_revision']), int64Of(fields['mod_revision'])];
  const lease = int64Of(fields['lease']);
  if (key === null || created === null || modified === null || lease === null)
    throw new RangeError('the answer has a key without its revisions');
  return {
    key: decoded(key),
    value: decoded(textOf(fields['value']) ?? ''),
    created,
    modified,
    lease: lease === 0n ? null : lease.toString(),
  };
}

/** The gateway writes keys and values in base64. */
function decoded(text: string): string {
  return Buffer.from(text, 'base64').toString('utf8');
}

/** The claim with an id, holder or waiter. */
export function findClaim({ claims }: PoolState, { id }: Pick<Claim, 'id'>): StoredClaim | undefined {
  return claims.find(({ claim }) => claim.id === id);
}

/** Why a pool that is being founded gives no slot. */
const FOUNDING =
  'etcd knew nothing of this pool (it is new, or its data was lost): for one lock.etcd.ttl a slot is for those only who had it before';

/** The pool as its users see it. A revision is that of one epoch: after a loss of data the same numbers come again. */
export function showPool(keys: PoolKeys, pool: PoolState): PoolView {
  const holders = pool.claims
    .filter(({ lease }) => lease === null)
    .map(({ claim, state, failure, since, modified }): SlotHolder => {
      const alive = pool.alive.has(keys.nameOf(claim));
      return { claim, state, failure, since, alive, revision: `${pool.epoch ?? ''}/${modified}` };
    });
  const waiting = pool.claims.filter(({ lease }) => lease !== null);
  const view = viewOf(
    pool.begun,
    holders,
    waiting.map(({ claim, since }) => ({ claim, since })),
  );
  return pool.isFounding ? { ...view, closed: FOUNDING } : view;
}

/** The two parts of a holder's revision; null for a text that is none of ours. */
export function splitRevision(
  revision: string,
): { readonly epoch: string; readonly modified: string } | null {
  const [, epoch = '', modified = ''] = /^([^/]*)\/(\d+)$/.exec(revision) ?? [];
  return modified === '' ? null : { epoch, modified };
}
