import type { SiblingsSeen } from './survey.ts';
import type { Worker } from './observation.ts';

/** The outing: the node is out, on its way out, or on its way back. */

/** What is wanted of the servers of an outing. `found`: what each was before it; `none`: nothing yet, they stay as they are. */
export type Level = 'drain' | 'maint' | 'ready' | 'found' | 'none';

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
  /** MAINT was written at a server of an earlier sidecar, whether that server is ours now or not. */
  readonly fencedBefore: boolean;
  /** So long after `drained` it undoes itself; null = never. */
  readonly expiresMs: number | null;
  readonly expiresAt: number | null;
  /** Why users are bound to this node, by its survey; null = they are not. */
  readonly sticky: string | null;
  readonly recheck: Recheck | null;
  readonly capacity: CapacityLevel;
}

/** What the capacity guard records in this outing. */
export interface CapacityLevel {
  /**
   * Were enough others usable once DRAIN was read back? `never`: not yet, and too few end the operation; `again`: asked
   * anew, after what was found had been put back or after a crash.
   */
  readonly read: 'never' | 'again' | 'enough';
  /** By balancer: in how many looks in a row there were too few. */
  readonly shortLooks: Readonly<Record<string, number>>;
  /** By balancer and server: it took no new users when it was last seen outside MAINT, which hides that. */
  readonly idle: Readonly<Record<string, boolean>>;
  /** Since when it waits for another node to give back. */
  readonly waitsSince: number | null;
  /** The found state is restored: since when enough have been usable. */
  readonly enoughSince: number | null;
  /** By balancer: its siblings as they were seen last, and which balancers are being asked. */
  readonly siblings: Readonly<Record<string, SiblingsSeen>>;
  readonly asked: readonly string[];
  /** The epoch for which a look was asked for at once. */
  readonly lookedFor: number | null;
  /** The guard only warns, because of force or a shutdown. */
  readonly isOver: boolean;
  /** An operation has drained it and left it in this state: it is out, whatever becomes of the others; null = none has. */
  readonly drainedIn: 'drain' | 'maint' | null;
}

export const NEW_CAPACITY: CapacityLevel = {
  read: 'never',
  shortLooks: {},
  idle: {},
  waitsSince: null,
  enoughSince: null,
  siblings: {},
  asked: [],
  lookedFor: null,
  isOver: false,
  drainedIn: null,
};

/** `total` (stot) by balancer and server. */
export type Totals = Readonly<Record<string, number | null>>;

export interface Quiet {
  readonly since: number;
  readonly totals: Totals;
  /** When nothing but the last answers was missing for the fence; null = more is. */
  readonly overAt: number | null;
}

/** Who else is this application, and what binds users, is asked once more before the fence, and before the stop. */
export interface Recheck {
  /** To which silence (`Quiet.since`) or which fence (`Fence.confirmedAt`) it belongs. */
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
  /** A second signal came: nothing is waited for. */
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
  fencedBefore: false,
  expiresMs: null,
  expiresAt: null,
  sticky: null,
  recheck: null,
  capacity: NEW_CAPACITY,
};
