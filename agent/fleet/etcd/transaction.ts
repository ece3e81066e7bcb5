import type { KeyRange } from './pool-keys.ts';

/** A transaction of etcd's: all that is compared holds at one revision, and then all is done at the next. */
export interface Change {
  readonly compares: readonly Compare[];
  readonly writes: readonly KeyWrite[];
}

/** One comparison, as the gateway reads it. */
export type Compare = Readonly<Record<string, string>>;

/** `lease`: the key ends with it; null = it stays. A write of a key keeps its create revision, whatever its lease. */
export type KeyWrite =
  | { readonly put: string; readonly value: string; readonly lease: string | null }
  | { readonly remove: string };

/** The key is not there. A key that does not exist has revision 0. */
export function absent(key: string): Compare {
  return createdAt(key, 0n);
}

/** The key is there, and is the one that was made at that revision. */
export function createdAt(key: string, revision: bigint): Compare {
  return { key: base64(key), target: 'CREATE', result: 'EQUAL', create_revision: revision.toString() };
}

/** The key was last written at that revision. */
export function modifiedAt(key: string, revision: bigint | string): Compare {
  return { key: base64(key), target: 'MOD', result: 'EQUAL', mod_revision: revision.toString() };
}

export function valueIs(key: string, value: string): Compare {
  return { key: base64(key), target: 'VALUE', result: 'EQUAL', value: base64(value) };
}

/**
 * No key of the range was made or written after that revision. What was removed meanwhile is not seen (etcd compares what
 * is there; of nothing it says yes, `applyCompare` in etcdserver/apply.go).
 */
export function unchangedSince({ key, end }: KeyRange, revision: bigint): Compare {
  return {
    key: base64(key),
    range_end: base64(end),
    target: 'MOD',
    result: 'LESS',
    mod_revision: (revision + 1n).toString(),
  };
}

/** The body of a range over all keys below a folder. Without `serializable`: a majority has agreed that it is the newest. */
export function rangeBody({ key, end }: KeyRange): object {
  return { key: base64(key), range_end: base64(end) };
}

/** The body of a transaction, which shows `shown` as it is afterwards, whether it was done or not. */
export function transactionBody({ compares, writes }: Change, shown: KeyRange): object {
  const show = { request_range: rangeBody(shown) };
  return { compare: compares, success: [...writes.map(requestOf), show], failure: [show] };
}

function requestOf(write: KeyWrite): object {
  if ('remove' in write) return { request_delete_range: { key: base64(write.remove) } };
  const { put, value, lease } = write;
  return { request_put: { key: base64(put), value: base64(value), ...(lease === null ? {} : { lease }) } };
}

/** The gateway takes keys and values in base64. */
function base64(text: string): string {
  return Buffer.from(text, 'utf8').toString('base64');
}
