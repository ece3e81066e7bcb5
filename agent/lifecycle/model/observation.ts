/** What is known of the world outside, as plain values. Balancers and sources make them; the lifecycle reads them. */

/** A server's administrative state at HAProxy, by whatever means it was set. */
export type Admin = 'ready' | 'drain' | 'maint';

/**
 * Where the administrative state comes from, by HAProxy's bits (BEHAVIOUR.md#admin-state): `forced` by a command or
 * by agent-check, `config` (`disabled`, resolution), `inherited` from a tracked server; `none` when it is ready.
 */
export type Origin = 'none' | 'forced' | 'config' | 'inherited';

/**
 * MAINT or DRAIN that hides what a command has set: the server's name does not resolve, or the server that it tracks is
 * out. No command ends it; HAProxy keeps the forced state under it, takes commands there meanwhile, and shows it again
 * when the other has gone (measured on 2.6.12 and 3.2.26).
 */
export interface Over {
  readonly by: 'resolution' | 'tracked';
  /** The state set by a command or by agent-check (the forced bits). */
  readonly forced: Admin;
}

export type Operational = 'up' | 'down' | 'stopping' | 'starting';

/** Counters of one server since its worker started; deltas of them make the receipt. */
export interface Counters {
  readonly connectionErrors: number;
  readonly responseErrors: number;
  readonly redispatches: number;
  /**
   * Answers that their user did not wait for. Without `option abortonclose` HAProxy hardly notices: it writes a short
   * rest into the closed connection and counts nothing (tried on 2.6.12).
   */
  readonly clientAborts: number;
  readonly http5xx: number;
}

/** One server as one balancer shows it. */
export interface ServerView {
  /** `backend/server` */
  readonly name: string;
  readonly admin: Admin;
  readonly origin: Origin;
  /** Present where `admin` is not what a command has set. */
  readonly over?: Over;
  /** Present where this worker has no such server, or no such backend: HAProxy's message. No user is sent there. */
  readonly absent?: string;
  /** Present where an agent-check answers for the server: its state and its last text, in printable characters. */
  readonly agent?: string;
  /** Present where HAProxy's own health check succeeded last, with its code (`L7OK`); in MAINT it is not checked. */
  readonly check?: string;
  /** Present where HAProxy's own health check failed last: its code and its text, in printable characters. */
  readonly checkFailed?: string;
  /** Where HAProxy reaches it; absent where that is not shown, or is no IP address. */
  readonly address?: { readonly host: string; readonly port: number };
  readonly operational: Operational;
  /** Present where `up` need not rest on a check: one with `fall 1` looks the same before the first one out of MAINT. */
  readonly assumedUp?: true;
  /** Connections being served (scur) and waiting (qcur); null = unknown at this balancer, never zero. */
  readonly connections: number | null;
  readonly queued: number | null;
  /** Where `connections` is unknown: those of the current worker, as a lower bound. */
  readonly atLeast?: number | null;
  /** Requests and connections ever given to this server (stot); a change means that a request came. */
  readonly total: number | null;
  /** Runtime weight, where the balancer shows it. */
  readonly weight: number | null;
  /** Present while HAProxy's own `slowstart` raises its share, which is so many percent now. */
  readonly throttle?: number;
  /** An operator set its weight to 0: a drain that no write of ours ends, whatever else is set. */
  readonly weightless?: true;
  readonly counters: Counters | null;
}

/**
 * The balancer's process that answered. Another one means a reload or a restart: runtime state may be lost. A pid
 * is used again (in a container each HAProxy has the same), so the time of its start is part of its identity.
 */
export interface Worker {
  readonly pid: number;
  /** Monotonic milliseconds, from its uptime; null = it was not kept (a record of a version before this one). */
  readonly bornAt: number | null;
  /** The record brought this worker: an earlier sidecar estimated its birth, and this one estimates it anew. */
  readonly isRecorded?: true;
}

/**
 * The largest distance of two sidecars' estimates of one start: HAProxy reports its uptime in whole seconds, and
 * its answer may take two. One sidecar estimates it once (`haproxy/workers.ts`), so for it any later start is
 * another worker.
 */
const SAME_BIRTH_MS = 3_000;

/** Was `now` born after `before`, as far as that is known? An answer of the older one may come later. */
export function isSuccessor(before: Worker, now: Worker): boolean {
  if (sameWorker(before, now)) return false;
  return before.bornAt === null || now.bornAt === null || now.bornAt > before.bornAt;
}

/**
 * Is `now` still the worker that was `before`? With the same pid only a younger one is another: one that seems
 * older is the same, since a clock that was stopped, or a machine that was switched off, cannot make a process
 * younger than it is.
 */
export function sameWorker(before: Worker | null, now: Worker | null): boolean {
  if (before === null || now === null) return before === now;
  if (before.pid !== now.pid) return false;
  const tolerance = before.isRecorded || now.isRecorded ? SAME_BIRTH_MS : 0;
  return before.bornAt === null || now.bornAt === null || now.bornAt - before.bornAt <= tolerance;
}

/** A server as it was read back after a write, and the worker that answered; none where the driver only polls. */
export interface ReadBackView extends ServerView {
  readonly worker?: Worker;
}

/** A poller that was not answered often enough with our state to have applied it. */
export interface AwaitedPoller {
  /** Its address, and what distinguishes it from others at that address. */
  readonly poller: string;
  /** When it polled last, in monotonic milliseconds. */
  readonly silentSince: number;
}

/** One look at one balancer: all of the node's servers there, in the order of the configuration. */
export interface Look {
  readonly worker: Worker | null;
  /** Processes that may hold connections, those of before a reload included; null = unknown. */
  readonly workers: number | null;
  /**
   * Why old workers could not be asked (`connections` are then unknown); null = they were asked, or there is no way
   * to.
   */
  readonly unseen: string | null;
  /**
   * Pids of workers of before a reload that live and are not in `connections`; empty = there is none, or all are
   * counted. Null = they can neither be seen nor be counted: only time shows whether there is one.
   */
  readonly uncounted: readonly number[] | null;
  /** Pids of other HAProxys of the same configuration that live: they may lead users here, and are not asked. */
  readonly twins?: readonly number[];
  readonly servers: readonly ServerView[];
  /** Of a balancer that only polls: the pollers that have not acknowledged our state. */
  readonly waitsFor?: readonly AwaitedPoller[];
  /**
   * The other servers that take new users, for each of ours that HAProxy has. Absent where it was not asked for, or
   * is unknown (a balancer that only polls).
   */
  readonly capacity?: readonly Capacity[];
  /** Absent where the balancer does not show them (one that only polls). */
  readonly addresses?: Addresses;
}

/**
 * Where servers of ours are, by `backend/server`, as HAProxy writes it (`10.0.0.7:8080`). One whose row shows no address
 * (HAProxy has it no more, its name does not resolve just now, the socket shows none) is not in it.
 */
export type Addresses = Readonly<Record<string, string>>;

/** The scope of a poll: this node's servers, or also the number of usable other servers in their backends. */
export type LookScope = 'own' | 'capacity';

/** How many others could take new users when one of our servers was looked at: one row more than a look has. */
export interface Capacity {
  /** `backend/server` */
  readonly name: string;
  /** null = unknown at this balancer. */
  readonly role: Role | null;
  /**
   * Usable servers of its backend that are not listed as this node's: the active ones, for a backup the backups
   * too; null = unknown. Servers that track ours, or have its address, are among them: no row distinguishes them.
   */
  readonly usableOthers: number | null;
  /** Usable backups of its backend that are not this node's; 0 for a backup, which counts them above; null = unknown. */
  readonly usableBackups: number | null;
}

/** HAProxy sends users to a backup only where no active server of the backend is usable. */
export type Role = 'active' | 'backup';

/** The open connections of a server, over all workers. Nothing in it identifies a client. */
export interface Holders {
  /** Requests in flight. */
  readonly requests: number;
  /** Websockets, CONNECT and TCP: they end when one of both sides wants. */
  readonly tunnels: number;
  readonly queued: number;
  /** Connections to the server that are kept for the next request; null = unknown. */
  readonly idle: number | null;
  /** The oldest first. */
  readonly oldest: readonly Holder[];
}

export interface Holder {
  readonly kind: 'request' | 'tunnel' | 'queued';
  readonly ageSeconds: number;
  /** Pid of the worker that serves it. */
  readonly worker: number;
}

/** What HAProxy was asked to close. Closing is asynchronous: a later poll shows whether the connection is gone. */
export interface Closed {
  readonly tunnels: number;
  readonly requests: number;
  /** Others that were there, the queued included; null = an old worker could not be asked. */
  readonly left: number | null;
}

/** A process: a pid alone may become another's. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Start time in clock ticks since boot, field 22 of /proc/PID/stat. */
  readonly startTime: string;
}

/** The application as it was proven before the drain (I13): it is gone when this process has ended, and the others. */
export interface Proof extends ProcessIdentity {
  /** Present where the application was found by its port, and several processes listen there. */
  readonly others?: readonly ProcessIdentity[];
}

/** Whether both are one process: by its pid, and by its start time, since a pid is given to another process later. */
export function isSameProof(one: ProcessIdentity, other: ProcessIdentity | null | undefined): boolean {
  return one.pid === other?.pid && one.startTime === other.startTime;
}

/** Why nothing will show that the application has ended: a stop warns of it, a restart refuses with this code. */
export interface Unproven {
  readonly code: 'config' | 'app-stop';
  readonly unproven: string;
}

/** What answered when an application was looked for whose process has ended. */
export interface LifeSigns {
  /** What each source counted; one that gave no answer is not there. */
  readonly counts: Readonly<Record<string, number>>;
  /** The node's servers as they were looked at for this, by the names of their balancers. */
  readonly servers: readonly { readonly balancer: string; readonly view: ServerView }[];
  /** Addresses of those servers that take connections. */
  readonly open: readonly string[];
  /** Processes that waited for connections at its ports when its stop was begun, and live. */
  readonly processes: readonly number[];
}
