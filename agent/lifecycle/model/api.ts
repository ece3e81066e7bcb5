import type { Code } from '../../system/error.ts';
import type { Forecast } from './forecast.ts';
import type { Admin, Operational } from './observation.ts';

export type OperationKind = 'drain' | 'stop' | 'ready' | 'restart' | 'reboot' | 'hold' | 'release';
export type OnTimeout = 'restore' | 'force' | 'hold';

/** A request. Times are milliseconds; null or undefined = the configuration's value. */
export interface Request {
  readonly id: string;
  readonly kind: OperationKind;
  readonly reason: string | null;
  /** The caller, as claimed: `cli alice@host`, `schedule`, `app`, `signal`. */
  readonly by: string;
  readonly timeoutMs: number | null;
  readonly onTimeout: OnTimeout | null;
  readonly expiresMs: number | null;
  /** Skip the capacity guard and take over held servers; needs a reason. */
  readonly force: boolean;
  /** False (drain only): leave it in DRAIN at zero. */
  readonly fence: boolean;
  readonly dryRun: boolean;
  /** A shutdown that cannot be refused (SIGTERM under `run -- COMMAND`): what would refuse it becomes a warning. */
  readonly isShutdown: boolean;
  /** The caller ends the application whatever is answered (a preStop hook, ExecStop): see `onlyWarns`. Absent = false. */
  readonly noRefuse?: boolean;
  /** How long the request waits for a slot of the pool; null or absent = without a free slot it is refused at once. */
  readonly waitForSlotMs?: number | null;
  /** Present where the request was accepted before and waited for its slot: since and until when, in monotonic ms. */
  readonly accepted?: { readonly since: number; readonly deadline: number };
  /** Servers of this application that are left out on purpose, besides the configuration's. */
  readonly ignoreServers?: readonly string[];
  /** `hold` only: the state; default DRAIN, which cuts no user. */
  readonly holdIn?: 'drain' | 'maint';
}

export interface ResultServer {
  readonly name: string;
  readonly admin: Admin | null;
  readonly operational: Operational | null;
  readonly connections: number | null;
  readonly queued: number | null;
}

/**
 * The receipt: counter deltas over the operation, all balancers together; null where unknown. It proves requests,
 * never sessions: a sticky user that MAINT moved to another node leaves every counter at 0.
 */
export interface Receipt {
  readonly connectionErrors: number | null;
  readonly responseErrors: number | null;
  readonly redispatches: number | null;
  readonly clientAborts: number | null;
  readonly http5xx: number | null;
}

/** What a caller who joined asked for beyond the operation, and what holds from then on; times are seconds. */
export interface Terms {
  /** The operation would have left the node in DRAIN; it fences it now. */
  readonly fence?: true;
  /** Counted from the moment at which the caller joined. */
  readonly timeout?: number;
  readonly onTimeout?: OnTimeout;
  readonly expires?: number;
  readonly force?: true;
  /** Reasons to give the running operation up are only warnings from now on. */
  readonly noRefuse?: true;
}

/** A caller who joined a running operation; `id` cancels it alone. */
export interface Joined {
  readonly id: string;
  readonly operation: OperationKind;
  readonly by: string;
  readonly reason: string | null;
  readonly terms: Terms;
}

/**
 * How often a balancer had lost our state (a reload), and the longest time of that: from the last poll that still
 * showed it until it was read back.
 */
export interface ReassertsReport {
  readonly count: number;
  readonly slowestSeconds: number;
}

/** What a source has counted; `error` = why that is unknown. */
export interface SourceCount {
  readonly name: string;
  readonly count: number | null;
  readonly error: string | null;
}

/** The one JSON object of `--json` (API.md#result). The lifecycle fills it; `code` is one of system/error.ts. */
export interface Result {
  readonly ok: boolean;
  readonly code: Code;
  readonly operation: OperationKind;
  readonly id: string;
  readonly node: string;
  readonly phase: Phase;
  readonly seconds: number;
  readonly reason: string | null;
  readonly forced: number;
  /** Connections that force closed, by kind; a user's session may be several, or none. */
  readonly closed: { readonly tunnels: number; readonly requests: number };
  readonly balancers: readonly { readonly name: string; readonly servers: readonly ResultServer[] }[];
  readonly sessions: {
    readonly start: number | null;
    readonly last: number | null;
    /** Each source with its last count, before the stop of the application was sent. */
    readonly sources: readonly SourceCount[];
  };
  readonly receipt: Receipt;
  readonly reasserts: ReassertsReport;
  readonly warnings: readonly string[];
  /** Why it is not ok, naming the target and the next step; absent when it is. */
  readonly message?: string;
  /** `--dry-run` only: what would happen, a line each. */
  readonly plan?: readonly string[];
  /** `--dry-run` only, once every check has answered: the objections with their codes, warnings among them. */
  readonly objections?: readonly {
    readonly code: Code;
    readonly message: string;
    /** It only warns, whatever the caller's terms are. */
    readonly soft: boolean;
  }[];
  /**
   * The callers who joined the operation, with their terms; a caller who joined gets its own entry alone. Absent =
   * none did.
   */
  readonly joined?: readonly Joined[];
}

export type Phase =
  | 'starting'
  | 'recovering'
  | 'serving'
  | 'unhealthy'
  | 'draining'
  | 'settling'
  | 'fencing'
  | 'drained'
  | 'stopping'
  | 'stopped'
  | 'warming'
  | 'returning'
  | 'failed';

export type Owner = 'lastcall' | 'operator' | 'config' | 'none';

/** `lastcall status --json` (API.md#status). */
export interface Status extends Forecast {
  readonly node: string;
  readonly phase: Phase;
  /** ISO time of the last change of phase. */
  readonly since: string;
  readonly health: 'up' | 'down' | 'unknown';
  /** Why the latest probe of the application was bad; null = it was not, or there is no probe. */
  readonly healthReason: string | null;
  readonly operation: StatusOperation | null;
  /** An operator's wish that keeps the node out until it is released. */
  readonly hold: { readonly admin: Admin; readonly by: string; readonly reason: string | null } | null;
  readonly balancers: readonly StatusBalancer[];
  readonly sessions: {
    readonly total: number | null;
    readonly sources: readonly {
      readonly name: string;
      readonly count: number | null;
      readonly at: string | null;
      /** Seconds from the end of one count to the next, as it is now: a large stick table is counted rarely. */
      readonly every: number;
      readonly error: string | null;
    }[];
  };
  /** The node's part in its pool; null = no lock is configured. */
  readonly slot: StatusSlot | null;
  /** What the operation waits for besides its users: a missing count, health, a server that is not UP. */
  readonly waits: readonly string[];
  /** Since the sidecar began. */
  readonly reasserts: ReassertsReport;
  /** What an operator must know now: a full disk, a server that could not be restored. */
  readonly alarms: readonly string[];
}
export interface StatusSlot {
  readonly pool: string;
  readonly slots: number;
  readonly brake: number;
  /** `unknown`: the lock has not answered yet; `lost`: the node held it, and something else freed it; `none`: the node asked for none. */
  readonly is: 'none' | 'unknown' | 'waits' | 'held' | 'lost';
  /** In the queue, 1 = the next one; null = it does not wait. */
  readonly position: number | null;
  /** Why the lock does not answer. */
  readonly error: string | null;
  /** By the last answer, as long as the node has a claim. */
  readonly holders: readonly {
    readonly node: string;
    readonly state: 'out' | 'soaking' | 'failed';
    readonly operation: OperationKind;
    readonly by: string;
    readonly reason: string | null;
    /** ISO time, by the clock of that node. */
    readonly since: string;
    readonly failure: string | null;
    /** False: the sign of life of its sidecar (a lease or a process) has ended. */
    readonly alive: boolean;
  }[];
}
export interface StatusOperation {
  readonly id: string;
  readonly operation: OperationKind;
  readonly by: string;
  readonly reason: string | null;
  readonly seconds: number;
  readonly remaining: number;
  readonly onTimeout: OnTimeout;
}
export interface StatusServer extends ResultServer {
  readonly owner: Owner;
  /** What it was before our operation, and what a cancel puts back; null = it is not ours. */
  readonly found: Admin | null;
  /** The admin state that lastcall set and read back: since when (ISO time), and the pid of the worker that shows it. */
  readonly applied: { readonly admin: Admin; readonly at: string; readonly pid: number | null } | null;
  /** null = no operation has asked for them yet. */
  readonly neighbours: Neighbours | null;
}
/** The other servers that serve the users of one of ours, by the last operation's survey: no poll asks for them. */
export interface Neighbours {
  /** Others that could take new users; null = unknown. */
  readonly usable: number | null;
  /** Those that take no users, with HAProxy's status of each: `app/app2 (DOWN)`. */
  readonly missing: readonly string[];
  /** ISO time of that survey. */
  readonly at: string;
}
export interface StatusBalancer {
  readonly name: string;
  readonly reachable: boolean;
  readonly error: string | null;
  readonly pid: number | null;
  /** The old workers of a reload included; null = unknown. */
  readonly workers: number | null;
  /**
   * Where the balancer only polls us: the pollers that have not acknowledged our state, and when each of them
   * polled last (ISO time).
   */
  readonly waitsFor: readonly { readonly poller: string; readonly silentSince: string }[];
  readonly servers: readonly StatusServer[];
}
