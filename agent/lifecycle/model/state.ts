import type { Phase, Request } from './api.ts';
import type { Proof } from './observation.ts';
import type { Candidate, Operation } from './operation.ts';
import type { Pending } from './pending.ts';
import type { Outing } from './outing.ts';
import { type Hold, NO_REASSERTS, type Reasserts, type StartStep } from './recorded-parts.ts';
import type { Policy } from './policy.ts';
import type { Slot, SlotRequest } from './slot.ts';
import {
  type BalancerState,
  type LostServers,
  type SourceState,
  notAsked,
  notCounted,
} from './server-state.ts';

/**
 * The whole state of the lifecycle. Plain data: it is compared, printed and replayed. Times are monotonic
 * milliseconds.
 */
export interface State {
  /** The time of the last event. */
  readonly now: number;
  readonly phase: Phase;
  readonly since: number;
  /** Raised by each change of intent; answers to an older intent are dropped. */
  readonly epoch: number;
  readonly epochStartedAt: number;
  /** Saves are numbered: the last one asked for, the one that carries the present intent, the last one on disk. */
  readonly save: number;
  readonly intentSave: number;
  readonly saved: number;
  /** When the disk is tried again; null = it holds all that was meant for it. */
  readonly saveAgainAt: number | null;
  readonly balancers: Readonly<Record<string, BalancerState>>;
  /** Servers that lastcall took out at balancers that it cannot set them at any more (lost-servers.ts), by balancer. */
  readonly lost: Readonly<Record<string, LostServers>>;
  readonly sources: Readonly<Record<string, SourceState>>;
  readonly health: Health;
  /** Whether the application signs itself out, and whether an operation has followed that. */
  readonly signedOut: 'no' | 'unheard' | 'heard';
  readonly app: App;
  readonly op: Operation | null;
  /** A request that is being checked; nothing has been changed for it yet. */
  readonly candidate: Candidate | null;
  /** A request whose record is on its way to the disk: it is installed, or accepted, once it is there. */
  readonly pending: Pending | null;
  readonly queue: readonly Request[];
  /** A second signal came: no patience with the operation that is under way or being checked. */
  readonly forceRequested: boolean;
  /** What a start has to go on with; null once it goes on. */
  readonly boot: Boot | null;
  /** The node is out, on its way out, or on its way back; null = nothing at any balancer is ours. */
  readonly outing: Outing | null;
  /** An operator's own wish (`lastcall hold`): it outranks every operation; `release` or an installed `--force` ends it. */
  readonly hold: Hold | null;
  readonly gate: Gate;
  /** The node's part in its pool; null = it has no claim. */
  readonly slot: Slot | null;
  /** Requests that were accepted and wait for a slot. */
  readonly waiting: readonly SlotRequest[];
  /** What lastcall asks of itself, by its reason: asked again until it is done or needed no more. */
  readonly ownRequests: Readonly<Record<OwnRequestKind, OwnRequest>>;
  /** By subject, so that an alarm that is over can be taken off. */
  readonly alarms: Readonly<Record<string, string>>;
  readonly reasserts: Reasserts;
}

export type Health = 'up' | 'down' | 'unknown';

/** The application's process, and what was done to it. */
export interface App {
  /** The process that a stop would signal, as last proven. */
  readonly proof: Proof | null;
  readonly gone: boolean;
  /** Where the record alone says so: whether that was looked into; null = this sidecar has seen it, or nothing says so. */
  readonly recordedEnd: RecordedEnd | null;
  /** Since when: an answer asked for before does not contradict it. -1 = since before this sidecar's start. */
  readonly appGoneAt: number;
  /** The stop did not prove its end: signs of life are looked for before another application is started. */
  readonly unprovenEnd: UnprovenEnd | null;
  /** The stop was issued (or its intent is on disk) and its outcome is not known yet. */
  readonly stopIssued: boolean;
  readonly start: StartStep;
}

/** It is gone, and this life has seen that. */
export function isSeenGone({ app }: Pick<State, 'app'>): boolean {
  return app.gone && app.recordedEnd === null;
}

/** The record says that it is gone, and nothing of this life does. */
export function isGoneByRecord({ app }: Pick<State, 'app'>): boolean {
  return app.gone && app.recordedEnd !== null;
}

/** What may be left of an application whose end nothing proves. */
export interface UnprovenEnd {
  readonly isAsked: boolean;
  readonly askAt: number;
  /** The signs of life found last, as text; null before the first poll. */
  readonly evidence: string | null;
}

/** The look for an application that was gone when the sidecar before this one ended. */
export interface RecordedEnd {
  readonly isAsked: boolean;
  readonly askAt: number;
  /** How often something answered for it. */
  readonly failures: number;
  /** What answered last, as text; null before the first look. */
  readonly evidence: string | null;
}

export const NOT_LOOKED_INTO: RecordedEnd = { isAsked: false, askAt: 0, failures: 0, evidence: null };

export const NOT_YET_CHECKED_END: UnprovenEnd = { isAsked: false, askAt: 0, evidence: null };

/** The phase that a crash interrupted, and whether this process started the supervised application, so its sessions are new. */
export interface Boot {
  readonly to: Phase;
  readonly fresh: boolean;
  /** A cancel that came before the balancers had answered: what it does depends on the phase that is gone on with. */
  readonly cancel: { readonly id: string; readonly by: string } | null;
}

export type OwnRequestKind = 'expiry' | 'sign-out';

/** A request of lastcall's own that follows from a state: refused, it is asked again as long as that state lasts. */
export interface OwnRequest {
  /** The request that was made for it and is not answered for; null = none. */
  readonly asked: string | null;
  readonly failures: number;
  readonly retryAt: number;
}

export const NO_OWN_REQUEST: OwnRequest = { asked: null, failures: 0, retryAt: 0 };

/** Whether the application refuses new sessions, by the last successful gate command. */
export interface Gate {
  /** `unknown`: a crash came in between. */
  readonly is: 'off' | 'on' | 'unknown';
  readonly asked: 'off' | 'on' | null;
  /** The application was replaced while the command ran: its answer is about another process. */
  readonly isStale: boolean;
  readonly failures: number;
  readonly retryAt: number;
}

export const GATE_OFF: Gate = { is: 'off', asked: null, isStale: false, failures: 0, retryAt: 0 };

/** Nothing is known of it. */
const NO_APP: App = {
  proof: null,
  gone: false,
  recordedEnd: null,
  appGoneAt: -1,
  unprovenEnd: null,
  stopIssued: false,
  start: 'none',
};

/** The state before anything is known. */
export function initial(policy: Policy, at: number): State {
  return {
    now: at,
    phase: 'starting',
    since: at,
    epoch: 0,
    epochStartedAt: at,
    save: 0,
    intentSave: 0,
    saved: 0,
    saveAgainAt: null,
    lost: {},
    balancers: Object.fromEntries(policy.balancers.map(({ name, servers }) => [name, notAsked(servers)])),
    sources: Object.fromEntries(policy.sources.map((name) => [name, notCounted(at)])),
    health: 'unknown',
    signedOut: 'no',
    app: NO_APP,
    op: null,
    candidate: null,
    pending: null,
    queue: [],
    forceRequested: false,
    boot: null,
    outing: null,
    hold: null,
    // An earlier sidecar may have left it shut.
    gate: { ...GATE_OFF, is: 'unknown' },
    slot: null,
    waiting: [],
    ownRequests: { expiry: NO_OWN_REQUEST, 'sign-out': NO_OWN_REQUEST },
    alarms: {},
    reasserts: NO_REASSERTS,
  };
}
