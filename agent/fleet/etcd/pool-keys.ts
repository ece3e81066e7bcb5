import type { Claim } from '../../lifecycle/model/pool.ts';

/** The keys of a pool. All are below `/lastcall/POOL/`, so one read shows the pool as it is at one revision. */
export interface PoolKeys {
  /** All of them. */
  readonly all: KeyRange;
  /** The claims alone: they decide whether a slot may be taken. */
  readonly claims: KeyRange;
  /**
   * Which history of the pool this is: a random text, made once. An etcd that lost its data has none, or another.
   * It has no lease.
   */
  readonly epoch: string;
  /** Under a lease that is never kept alive: while it is there, slots are for those only who lost theirs with the data. */
  readonly founding: string;
  /** A claim: under its holder's lease while it waits, without a lease while it holds a slot. */
  claim(claim: Pick<Claim, 'node' | 'id'>): string;
  /** Under the lease of the process that holds the slot: it lives. */
  alive(claim: Pick<Claim, 'node' | 'id'>): string;
  /** The last part of both keys. */
  nameOf(claim: Pick<Claim, 'node' | 'id'>): string;
  /** Which of the two a key of the pool is, and whose; null for any other. */
  read(key: string): { readonly kind: 'claims' | 'alive'; readonly name: string } | null;
}

/** From `key` on, up to `end`, which is not among them. */
export interface KeyRange {
  readonly key: string;
  readonly end: string;
}

/** @param pool its name; what is no letter, digit or mark of a path is written with `%` */
export function keysOf(pool: string): PoolKeys {
  const root = `/lastcall/${encodeURIComponent(pool)}/`;
  const nameOf = ({ node, id }: Pick<Claim, 'node' | 'id'>): string => `${encodeURIComponent(node)}/${id}`;
  return {
    all: rangeBelow(root),
    claims: rangeBelow(`${root}claims/`),
    epoch: `${root}epoch`,
    founding: `${root}founding`,
    nameOf,
    claim: (claim) => `${root}claims/${nameOf(claim)}`,
    alive: (claim) => `${root}alive/${nameOf(claim)}`,
    read(key) {
      const [, kind = '', name = ''] = /^(claims|alive)\/(.+)$/s.exec(key.slice(root.length)) ?? [];
      return kind === 'claims' || kind === 'alive' ? { kind, name } : null;
    },
  };
}

/** All keys that begin with a folder's name: its end is the same with the next character for the last slash. */
function rangeBelow(folder: string): KeyRange {
  return { key: folder, end: `${folder.slice(0, -1)}0` };
}
