import type { Phase, Request } from './operation.ts';
import type { Candidate, Operation, Pending } from './running.ts';
import type { Policy } from './policy.ts';
import type { Admin, Look, Proof, Relative, ServerSurvey, Worker } from './view.ts';

/** Everything the lifecycle knows. Plain data: it is compared, printed and replayed. Times are monotonic milliseconds. */
export interface State {
  /** The time of the last event. */
  readonly now: number;
  readonly phase: Phase;
  readonly since: number;
  /** Raised by each change of intent; answers to an older intent are dropped. */
  readonly epoch: number;
  readonly epochAt: number;
  /** Saves are numbered: the last one asked for, the one that carries the present intent, the last one on disk. */
  readonly save: number;
  readonly intentSave: number;
  readonly saved: number;
  /** When the disk is tried again; null = it holds all that was meant for it. */
  readonly saveAgainAt: number | null;
  readonly balancers: Readonly<Record<string, BalancerState>>;
  readonly sources: Readonly<Record<string, SourceState>>;
  readonly health: Health;
  readonly op: Operation | null;
  /** A request that is being checked; nothing has been changed for it yet. */
  readonly candidate: Candidate | null;
  /** A request whose intent is on its way to the disk, and the state to go back to if it does not get there. */
  readonly pending: Pending | null;
  readonly queue: readonly Request[];
  /** The process that a stop would signal, as last proven. */
  readonly proof: Proof | null;
  readonly appGone: boolean;
  /** Since when: an answer that was asked for before says nothing against it. */
  readonly goneAt: number;
  /** The stop was issued (or its intent is on disk) and its outcome is not known yet. */
  readonly stopIssued: boolean;
  readonly start: StartStep;
  /** Where a crash interrupted; null once resumed. */
  readonly resumeTo: Phase | null;
  /** The supervised application was started by this process: whatever the record says, its sessions are new. */
  readonly fresh: boolean;
  /** Zero has held since then, with these totals (stot); null = it does not hold. */
  readonly quiet: Quiet | null;
  readonly gate: Gate;
  /** An operator's own wish (`lastcall hold`); only `release` ends it. */
  readonly hold: Hold | null;
  readonly fence: Fence | null;
  readonly force: Force | null;
  /** Users were forced out of this outing: their sessions are not waited for any more. */
  readonly forcedOut: boolean;
  /** A second signal came: no patience with the operation that is under way or being checked. */
  readonly hurried: boolean;
  /** Leave it in DRAIN at zero. */
  readonly noFence: boolean;
  /** A return that puts back what was found instead of saying `ready`. */
  readonly restoring: boolean;
  readonly expiresAt: number | null;
  /** Why users are bound to this node, as the last survey said; null = they are not. */
  readonly sticky: string | null;
  readonly recheck: Recheck | null;
  /** By subject, so that an alarm that is over can be taken off. */
  readonly alarms: Readonly<Record<string, string>>;
  readonly reasserts: Reasserts;
}

export type Health = 'up' | 'down' | 'unknown';

/** How often a balancer had lost what it was told, and the longest from the last look that showed it to the read-back. */
export interface Reasserts {
  readonly count: number;
  readonly slowestMs: number;
}

/** Whether the application refuses new sessions, as far as our commands tell. */
export interface Gate {
  /** `unknown`: a crash came in between. */
  readonly is: 'off' | 'on' | 'unknown';
  readonly asked: 'off' | 'on' | null;
  readonly failures: number;
  readonly retryAt: number;
}

export const GATE_OFF: Gate = { is: 'off', asked: null, failures: 0, retryAt: 0 };

export interface Hold {
  readonly admin: 'drain' | 'maint';
  readonly by: string;
  readonly reason: string | null;
  /** `rotation`: it took the node out, and the release brings it back. `out`: the node was out before. */
  readonly over: 'rotation' | 'out';
}

/** How far a start has come: `intended` goes to disk before it is `sent`. */
export type StartStep = 'none' | 'intended' | 'sent' | 'done';

/** `total` (stot) by balancer and server. */
export type Totals = Readonly<Record<string, number | null>>;

export interface Quiet {
  readonly since: number;
  readonly totals: Totals;
}

export interface BalancerState {
  /** The last good look, and when it was begun: one begun before a change says nothing about it. */
  readonly look: Look | null;
  readonly begun: number;
  readonly at: number;
  /** Why it cannot be asked at present; the look is then history, not knowledge. */
  readonly error: string | null;
  /** The one that answered last; null = none has, or it tells nothing of its workers. */
  readonly worker: Worker | null;
  /** What the last survey of an operation told of its surroundings; null = none yet. */
  readonly around: Around | null;
  /** A reload may have brought servers of this application that are not listed: not asked yet. */
  readonly isReloaded: boolean;
  readonly servers: Readonly<Record<string, ServerState>>;
}

/** See `Survey`: the neighbours, and other servers of this application, as of `at`. */
export interface Around {
  readonly at: number;
  readonly facts: readonly ServerSurvey[];
  readonly relatives: readonly Relative[];
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

/** A word of ours that stood at a server: when it was first read back, and which worker showed it last. */
export interface Told {
  readonly admin: Admin;
  readonly at: number;
  readonly worker: Worker | null;
}

export interface ServerState {
  /** What it was before our operation; null = not ours. */
  readonly found: { readonly admin: Admin; readonly weight: number | null } | null;
  /** What we want it to be; null = we say nothing. */
  readonly want: Admin | null;
  /** States that may be there because of us right now; another MAINT or DRAIN is somebody else's (I2). */
  readonly ours: readonly Admin[];
  /** All states we said in this outing: after a reload a state file may bring any of them back. */
  readonly said: readonly Admin[];
  readonly held: boolean;
  /** What another hand had set there when it was last seen so; null = not held, or from a record that did not tell. */
  readonly heldIn: Admin | null;
  /** How often our word was undone there by the same worker, without a reload, and when last. */
  readonly undone: { readonly times: number; readonly at: number };
  /** Our word that was last read back there; null = none of this outing, or it was lost since. */
  readonly told: Told | null;
  /** The wanted state was seen in this epoch. */
  readonly confirmed: boolean;
  /** It is lost, and was there at this time at the latest; null = it is there, or was never. */
  readonly missedAt: number | null;
  /** The epoch of the write that is under way: never a second one beside it, their order would be chance. */
  readonly saying: number | null;
  /** When the last write was answered: a look begun before may still show what stood there before it. */
  readonly saidAt: number;
  readonly failures: number;
  readonly retryAt: number;
  readonly unsureUntil: number;
  readonly error: string | null;
}

export interface SourceState {
  readonly count: number | null;
  readonly begun: number;
  readonly at: number | null;
  /** When the count last became another one. */
  readonly changedAt: number;
  /** Since when, and over how many samples, it has said the same of the three: nobody, somebody, unknown. */
  readonly sideSince: number;
  readonly sideSamples: number;
  readonly error: string | null;
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

export const NO_REASSERTS: Reasserts = { count: 0, slowestMs: 0 };

export const NO_SERVER: ServerState = {
  found: null,
  want: null,
  ours: [],
  said: [],
  held: false,
  heldIn: null,
  undone: { times: 0, at: 0 },
  told: null,
  confirmed: false,
  missedAt: null,
  saying: null,
  saidAt: 0,
  failures: 0,
  retryAt: 0,
  unsureUntil: 0,
  error: null,
};

/** Nothing is wanted of it any more; what is on its way to it still is. */
export function notOurs({ saying, saidAt }: ServerState): ServerState {
  return { ...NO_SERVER, saying, saidAt };
}

/** The state before anything is known. */
export function initial(policy: Policy, at: number): State {
  const balancers: Record<string, BalancerState> = {};
  for (const { name, servers } of policy.balancers) {
    balancers[name] = {
      look: null,
      begun: -1,
      at: -1,
      error: null,
      worker: null,
      around: null,
      isReloaded: false,
      servers: Object.fromEntries(servers.map((server) => [server, NO_SERVER])),
    };
  }
  const unknown: SourceState = {
    count: null,
    begun: -1,
    at: null,
    changedAt: at,
    sideSince: at,
    sideSamples: 0,
    error: null,
  };
  return {
    now: at,
    phase: 'starting',
    since: at,
    epoch: 0,
    epochAt: at,
    save: 0,
    intentSave: 0,
    saved: 0,
    saveAgainAt: null,
    balancers,
    sources: Object.fromEntries(policy.sources.map((name) => [name, unknown])),
    health: 'unknown',
    op: null,
    candidate: null,
    pending: null,
    queue: [],
    proof: null,
    appGone: false,
    goneAt: at,
    stopIssued: false,
    start: 'none',
    resumeTo: null,
    fresh: false,
    quiet: null,
    // Whoever was here before may have left it shut.
    gate: { ...GATE_OFF, is: 'unknown' },
    hold: null,
    fence: null,
    force: null,
    forcedOut: false,
    hurried: false,
    noFence: false,
    restoring: false,
    expiresAt: null,
    sticky: null,
    recheck: null,
    alarms: {},
    reasserts: NO_REASSERTS,
  };
}
