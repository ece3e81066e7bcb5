/** What is known of the world outside, as plain values. Balancers and sources make them; the lifecycle reads them. */

/** A server's administrative state at HAProxy, whoever set it. */
export type Admin = 'ready' | 'drain' | 'maint';

/**
 * Where the administrative state comes from, told by HAProxy's bits (haproxy-facts B): `forced` by a command or an
 * agent-check word, `config` (`disabled`, resolution), `inherited` from a tracked server; `none` when it is ready.
 */
export type Origin = 'none' | 'forced' | 'config' | 'inherited';

/**
 * MAINT or DRAIN that hides what a command has set: the server's name does not resolve, or the server that it tracks is
 * out. No command ends it; HAProxy keeps the forced state under it, takes commands there meanwhile, and shows it again
 * when the other has gone (measured on 2.6.12 and 3.2.26).
 */
export interface Over {
  readonly by: 'resolution' | 'tracked';
  /** What a command or an agent-check word has set (the forced bits). */
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
  /** Present where this worker has no such server, or no such backend: the sentence that says so. Nobody is sent there. */
  readonly absent?: string;
  /** Present where an agent-check answers for the server: its state and its last text, in printable characters. */
  readonly agent?: string;
  readonly operational: Operational;
  /** Connections being served (scur) and waiting (qcur); null = this balancer cannot tell, never zero. */
  readonly connections: number | null;
  readonly queued: number | null;
  /** Requests and connections ever given to this server (stot); a change means somebody came. */
  readonly total: number | null;
  /** Runtime weight, where the balancer tells it. */
  readonly weight: number | null;
  readonly counters: Counters | null;
}

/**
 * The balancer's process that answered. Another one means a reload or a restart: runtime state may be forgotten. A pid
 * alone comes again (in a container each HAProxy has the same), so its birth belongs to it.
 */
export interface Worker {
  readonly pid: number;
  /** Monotonic milliseconds, from its uptime; null = it was not kept (a record of a version before this one). */
  readonly bornAt: number | null;
}

/**
 * So far two estimates of one birth may be apart: HAProxy tells its uptime in whole seconds, and its answer may take two.
 */
const SAME_BIRTH_MS = 3_000;

/**
 * Is `now` still the worker that was `before`? Of the same pid only a younger one is another: one that seems older is the
 * same, since a clock that stood still, or a machine that was switched off, cannot make a process younger than it is.
 */
export function sameWorker(before: Worker | null, now: Worker | null): boolean {
  if (before === null || now === null) return before === now;
  if (before.pid !== now.pid) return false;
  return before.bornAt === null || now.bornAt === null || now.bornAt - before.bornAt <= SAME_BIRTH_MS;
}

/** One look at one balancer: all of the node's servers there, in the order of the configuration. */
export interface Look {
  readonly worker: Worker | null;
  /** Processes that may hold connections, those of before a reload included; null = that cannot be told. */
  readonly workers: number | null;
  /** Why old workers could not be asked (`connections` are then unknown); null = they were, or nobody can ask them. */
  readonly unseen: string | null;
  /**
   * Pids of workers of before a reload that live and are not in `connections`; empty = there is none, or all are counted.
   * Null = they can neither be seen nor be counted: whether there is one, only time tells.
   */
  readonly uncounted: readonly number[] | null;
  readonly servers: readonly ServerView[];
  /** Of a balancer that only polls: which pollers our word is waiting for. */
  readonly waitsFor?: readonly AwaitedPoller[];
}

/** A poller that has not been told our word often enough to be believed to do it. */
export interface AwaitedPoller {
  /** Its address, and what else tells it from others there. */
  readonly poller: string;
  /** When it polled last, in monotonic milliseconds. */
  readonly silentSince: number;
}

/** What is asked only once, before an operation begins, because it costs more than a poll. */
export interface ServerSurvey {
  readonly name: string;
  /** Other servers of the same role that could take new users right now; null = unknown. */
  readonly usableOthers: number | null;
  /** True when new users reach this server now: taking it out costs capacity. */
  readonly usable: boolean;
  /** Why users are bound to it (`cookie`, `hash balance`, `stick table`), `unknown` when it cannot be told, or null. */
  readonly sticky: string | null;
}

export interface Survey extends Look {
  readonly facts: readonly ServerSurvey[];
}

/** Who is at a server, over all workers. Nothing in it tells who a client is. */
export interface Holders {
  /** Requests in flight. */
  readonly requests: number;
  /** Websockets, CONNECT and TCP: they end when one of both sides wants. */
  readonly tunnels: number;
  readonly queued: number;
  /** Connections to the server that are kept for the next request; null = not told. */
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

/** What HAProxy was told to end. Closing is asynchronous: whether it is gone, a later look tells. */
export interface Closed {
  readonly tunnels: number;
  readonly requests: number;
  /** Others that were there, the queued included; null = an old worker could not be asked. */
  readonly left: number | null;
}

/** The application process as it was proven before the drain: a pid alone may be anybody's (I13). */
export interface Proof {
  readonly pid: number;
  /** Start time in clock ticks since boot, field 22 of /proc/PID/stat. */
  readonly startTime: string;
}
