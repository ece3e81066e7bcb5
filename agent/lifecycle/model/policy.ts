import type { OnTimeout, Request } from './api.ts';
import type { Claim } from './pool.ts';

/** What was decided before anything happens: the configuration as the lifecycle needs it. Times in milliseconds. */
export interface Policy {
  readonly node: string;
  readonly balancers: readonly {
    readonly name: string;
    readonly servers: readonly string[];
    /** False for a balancer that only polls us: it gives no count, and shows nothing of its own. */
    readonly counts: boolean;
    /** The weights of its servers can be read and set; absent = they cannot. */
    readonly weighs?: boolean;
    /** Connections on old workers are counted after a reload (it has a master socket). */
    readonly seesOldWorkers: boolean;
    /** True where the state of a server that the configuration no longer lists cannot be set (pollers ask for it). */
    readonly setsListedOnly?: boolean;
  }[];
  /** Names of the session sources, besides the connections that balancers count. */
  readonly sources: readonly string[];
  /** Those of them that count users, and not only connections or recent requests. */
  readonly userSources: readonly string[];
  /** Those that only a living application can answer. */
  readonly appSources: readonly string[];
  /** The source that asks the kernel for the application's connections: it sees what old workers hold. */
  readonly kernelSource: string | null;
  /** A balancer that does not answer: waited for (unknown is never zero), or left out of counts and writes. */
  readonly unreachable: 'wait' | 'ignore';
  /**
   * A server that an operator holds in DRAIN, or at weight 0: `refuse` drains nothing behind it, `follow` leaves it
   * so and goes on.
   */
  readonly foreignDrain: 'refuse' | 'follow';
  /** Where old workers cannot be seen, connections are unknown for so long after a reload. */
  readonly reloadGraceMs: number;
  readonly sticky: boolean | 'auto';
  readonly quietMs: number;
  readonly quietExplicit: boolean;
  readonly keep: number;
  /** Backups count as others for an active server too. */
  readonly keepBackups: boolean;
  /** Servers of this application, by `backend/server`, that are left out on purpose. */
  readonly ignoreServers: readonly string[];
  /** Before the stop the application can be made to refuse new sessions. */
  readonly hasGate: boolean;
  /** Every balancer's reload keeps the state of its servers (a server-state file dumped just before). */
  readonly reloadsKeepState: boolean;
  /** The times of the warn hooks before the deadline, one entry per hook. */
  readonly warnBeforeMs: readonly number[];
  /** How many connections `force` closes in a second at each balancer. */
  readonly closePerSecond: number;
  readonly timeoutMs: number;
  readonly onTimeout: OnTimeout;
  /** The time of a way back: until the application is healthy and every server UP. */
  readonly returnMs: number;
  /** How long a reboot that was asked for may take until it has ended the sidecar. */
  readonly rebootMs: number;
  /** How long the share of new users rises after READY; 0 = it is whole at once. */
  readonly warmUpMs: number;
  /** How long it has to stay well after that before its slot is given back; 0 = its slot is given back at once. */
  readonly soakMs: number;
  readonly expiresMs: number | null;
  readonly hasProbe: boolean;
  readonly canStop: boolean;
  readonly canStart: boolean;
  /** A stop of unknown outcome may be sent again after a crash (I6). */
  readonly stopIsIdempotent: boolean;
  /** The end of the application can be seen: false for a stop command without `gone`. */
  readonly stopProves: boolean;
  readonly onSignOut: 'drain' | 'stop' | 'ignore';
  /** MAINT/DRAIN found at start without a record is ours. */
  readonly adopt: boolean;
  /** Direct mode: `ready` is the operator's own command and releases what is held. */
  readonly readyTakesOver: boolean;
  /** The pool whose lock is kept; null = there is no lock, and nothing but the guard keeps nodes apart. */
  readonly pool: PoolPolicy | null;
  /** `run -- COMMAND`: an application that was started afresh belongs into rotation. */
  readonly supervises: boolean;
}

export interface PoolPolicy {
  readonly name: string;
  /** The addresses of its lock; two locks that have one address in common are the same lock. */
  readonly lock: readonly string[];
  readonly slots: number;
  readonly brake: number;
  /** `Claim.servers` */
  readonly servers: Claim['servers'];
  /** The name of the balancer at each place of `servers`: where another node's claim has that place, it is the same one. */
  readonly balancers: Readonly<Record<string, string>>;
  /** Random, 10 hex digits, of this process: the first part of the ids of its claims. */
  readonly seed: string;
}

/** What lastcall asks of itself, it asks on the policy's terms and without force. */
export const OWN_TERMS: Omit<Request, 'id' | 'kind' | 'reason' | 'by'> = {
  timeoutMs: null,
  onTimeout: null,
  expiresMs: null,
  force: false,
  fence: true,
  dryRun: false,
  isShutdown: false,
};

/** How long a restore may take before the operation ends without it; the level goes on being asserted. */
export const RESTORE_PATIENCE_MS = 10_000;
/** How long `force` waits for balancers to fence and for queues to empty before it goes on without them. */
export const FORCE_FENCE_PATIENCE_MS = 5_000;
/** How long `force` waits for closed connections to be gone: closing is asynchronous (BEHAVIOUR.md#closing). */
export const FORCE_CLOSE_PATIENCE_MS = 10_000;
/** Between two closings of the same server's connections. */
export const FORCE_CLOSE_EVERY_MS = 500;
/** First and longest pause after a write that failed. */
export const RETRY_FIRST_MS = 100;
export const RETRY_LONGEST_MS = 2_000;
/**
 * How long to wait for a check where HAProxy does not show whether it has checked a server since READY. It is five
 * times HAProxy's own default of `inter`, which no socket reports.
 */
export const UNSEEN_CHECK_MS = 10_000;
/** A write of unknown outcome may still be carried out by a process that was stopped; no look in this time is final. */
export const UNSURE_MS = 1_000;

/** `tcp` and `idle` count connections and requests, not users. */
export function countsUsers({ sources, userSources }: Policy): boolean {
  return sources.some((name) => userSources.includes(name));
}
