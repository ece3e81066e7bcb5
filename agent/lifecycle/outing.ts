import type { Worker } from './view.ts';

/** The outing: the node is out, on its way out, or on its way back. */

/** What is wanted of the servers of an outing; `found`: what each was before it. */
export type Level = 'drain' | 'maint' | 'ready' | 'found';

/** From the first DRAIN to READY read back. All that belongs to it ends with it. */
export interface Outing {
  readonly level: Level;
  /** False: it is left in DRAIN at zero. */
  readonly fenced: boolean;
  /** An operator took the node out: a container that starts again leaves it out (I19). */
  readonly lasting: boolean;
  /** Zero has held since then, with these totals (stot); null = it does not hold. */
  readonly quiet: Quiet | null;
  readonly fence: Fence | null;
  readonly force: Force | null;
  /** Users were forced out: their sessions are not waited for any more. */
  readonly forcedOut: boolean;
  /** So long after `drained` it undoes itself; null = never. */
  readonly expiresMs: number | null;
  readonly expiresAt: number | null;
  /** Why users are bound to this node, as its survey said; null = they are not. */
  readonly sticky: string | null;
  readonly recheck: Recheck | null;
}

/** `total` (stot) by balancer and server. */
export type Totals = Readonly<Record<string, number | null>>;

export interface Quiet {
  readonly since: number;
  readonly totals: Totals;
}

/** What binds users is asked once more before the fence of a stop. */
export interface Recheck {
  /** Which silence it belongs to: `Quiet.since`. */
  readonly since: number;
  /** Balancers that have not answered. */
  readonly left: readonly string[];
  /** When those that failed are asked again; null = an answer is on its way. */
  readonly retryAt: number | null;
}

export interface Fence {
  /** All servers were seen in MAINT then; the second look must have begun later. */
  readonly confirmedAt: number | null;
  /** `total` (stot) and the worker before the fence, by balancer and server: a change means that a request came. */
  readonly totals: Totals;
  readonly workers: Readonly<Record<string, Worker | null>>;
}

export interface Closing {
  readonly balancer: string;
  readonly server: string;
}

export interface Force {
  readonly since: number;
  /** When fewer were left than before, since the closing began; null before that. */
  readonly progressAt: number | null;
  readonly left: number;
  readonly closedAt: number;
  /** The closings that have not come back. */
  readonly closing: readonly Closing[];
  /** No patience left: a second signal. */
  readonly now: boolean;
}

export const NEW_OUTING: Outing = {
  level: 'drain',
  fenced: true,
  lasting: false,
  quiet: null,
  fence: null,
  force: null,
  forcedOut: false,
  expiresMs: null,
  expiresAt: null,
  sticky: null,
  recheck: null,
};
