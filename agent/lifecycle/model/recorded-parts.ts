/** Parts of the state that the record keeps as they are. */

/**
 * How often a balancer had lost our state, and the longest time from the last poll that showed it to the read-back.
 */
export interface Reasserts {
  readonly count: number;
  readonly slowestMs: number;
}

export interface Hold {
  readonly admin: 'drain' | 'maint';
  readonly by: string;
  readonly reason: string | null;
  /** `rotation`: it took the node out, and the release brings it back. `out`: the node was out before. */
  readonly over: 'rotation' | 'out';
  /** The requests that wait until it is read back everywhere. */
  readonly askers: readonly HoldAsker[];
}

export interface HoldAsker {
  readonly id: string;
  readonly reason: string | null;
  readonly startedAt: number;
  readonly deadline: number;
  readonly warnings: readonly string[];
}

/** How far a start has come: `intended` goes to disk before it is `sent`. */
export type StartStep = 'none' | 'intended' | 'sent' | 'done';

export const NO_REASSERTS: Reasserts = { count: 0, slowestMs: 0 };
