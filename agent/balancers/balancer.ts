import type {
  Addresses,
  Admin,
  Closed,
  Holders,
  Look,
  LookScope,
  ReadBackView,
  ServerView,
} from '../lifecycle/model/observation.ts';
import type { PoolServer } from '../lifecycle/model/pool-report.ts';
import type { Survey, SurveyScope } from '../lifecycle/model/survey.ts';

/** Whether a poll counts the connections of old workers (`count`), or does not ask for them (`leave`). */
export type OldWorkersMode = 'count' | 'leave';

/** A weight of 1 to 256. */
export interface WeightRequest {
  readonly weight: number;
  /** To which it will be raised in the end. */
  readonly full: number;
  readonly mayReplace: readonly number[];
}

/** The weight of a server, and the one of HAProxy's configuration, of which agent-check says percents. */
export interface ServerWeight {
  readonly weight: number | null;
  readonly configured: number | null;
  /** HAProxy has not taken the percent of the last answer of the agent-check, since the balancing of the backend is static. */
  readonly isRefused: boolean;
}

/**
 * One balancer in front of the node, and the one way in which its servers' state is changed there (the writer).
 * All methods are bounded by the driver's own deadline as well as by the signal.
 */
export interface Balancer {
  readonly name: string;
  /** The node's servers there, `backend/server`. */
  readonly servers: readonly string[];
  /** False for one that only polls us: it gives no count. */
  readonly counts: boolean;
  /** True when its counts include workers of before a reload (a master CLI is configured). */
  readonly seesOldWorkers: boolean;

  /**
   * One cheap poll, the same cost whatever the size of HAProxy's configuration.
   * @param oldWorkers `count` (the default) asks the master for the connections of old workers, where there may be some;
   *   `leave` does not connect to it: on some versions each connection is a risk (BEHAVIOUR.md#the-master-socket),
   *   and while nothing is drained its answer is not needed. Old workers that live are then `uncounted`
   * @param scope `own` (the default), or `capacity`: one row more for each of our servers shows how many others are
   *   usable, whatever their number
   * @throws LastcallError `balancer-unreachable` | `no-such-server` | `not-permitted`
   */
  look(signal: AbortSignal, oldWorkers?: OldWorkersMode, scope?: LookScope): Promise<Look>;

  /**
   * A poll with all that an operation needs before it begins; also proves that we may write.
   * @param scope `all` by default, with the one full listing of all servers; `reload`: the same in an operation, where
   *   HAProxy may have lost a server of ours; `relatives`: the same without what binds users; `capacity`: a poll and the
   *   siblings of our servers, nothing else (it asks for no level, and grows with the servers of our backends)
   * @param before in an operation: where our servers led to this node when it began. Another server with that address is
   *   this application by another name, wherever ours leads by now; none by default
   * @throws LastcallError as `look`
   */
  survey(signal: AbortSignal, scope?: SurveyScope, before?: Addresses): Promise<Survey>;

  /**
   * Reads the server's state, writes `admin` only if the state found is `admin` itself or in `mayReplace`, and
   * reads back. Returns the state after it; a server found in another state is returned as it is, unwritten, and
   * the caller sees by `admin` that it is not the requested one. The same holds for a write that does not show: an
   * operator changed it after us, or it is a tracked server's state, the configuration's, or a weight of 0.
   * @throws LastcallError `balancer-unreachable` | `no-such-server` | `not-permitted` | `failed` (written, without
   *   effect)
   */
  set(server: string, admin: Admin, mayReplace: readonly Admin[], signal: AbortSignal): Promise<ReadBackView>;

  /**
   * As `set`, for a server that was in the configuration once: restores the state found before the outing. Where
   * HAProxy does not have it either, the result has `absent`. Missing where a server is set by answers to polls.
   * @throws LastcallError as `set`; `config` for an invalid name
   */
  putBack?(
    server: string,
    admin: Admin,
    mayReplace: readonly Admin[],
    signal: AbortSignal,
  ): Promise<ReadBackView>;

  /**
   * Reads the server's weight, writes another one only if the weight found is in `mayReplace`, and reads back. Missing
   * where a weight is not shown.
   * @returns the weight after it; null where HAProxy does not have the server
   * @throws LastcallError as `set`; `config` where HAProxy takes no such weight (static balancing), now or `full` later
   */
  setWeight?(server: string, request: WeightRequest, signal: AbortSignal): Promise<number | null>;

  /**
   * Reads both weights of the server; of the Runtime API alone, for the writer by agent-check beside it.
   * @returns null where HAProxy does not have the server
   * @throws LastcallError as `look`
   */
  readonly weightOf?: (server: string, signal: AbortSignal) => Promise<ServerWeight | null>;

  /**
   * The open connections of the server, by kind, and the longest-lived of them. Costs HAProxy a walk over all of its streams.
   * @throws LastcallError as `look`, also when only an old worker cannot be asked; `not-permitted` below level operator
   */
  holders(server: string, signal: AbortSignal): Promise<Holders>;

  /**
   * Every server of the backends in which ours stand, ours included. The cost grows with those backends. Missing where
   * HAProxy only polls us.
   * @throws LastcallError as `look`
   */
  readonly backendServers?: (signal: AbortSignal) => Promise<readonly PoolServer[]>;

  /**
   * Servers of another node, by their names: one short exchange each. One that HAProxy does not have is `absent`. Nothing is
   * changed. Missing where HAProxy only polls us.
   * @throws LastcallError as `look`; `config` for an invalid name
   */
  readonly readServers?: (servers: readonly string[], signal: AbortSignal) => Promise<readonly ServerView[]>;

  /**
   * Ends at most `limit` of the server's sessions at this balancer, on all workers: tunnels first, then the oldest.
   * Only after MAINT and an empty queue: HAProxy gives queued requests to the server in their place (BEHAVIOUR.md#closing).
   * It answers before they are gone: look again.
   * @param limit Infinity ends all that HAProxy has at this moment
   * @throws LastcallError as `set`
   */
  closeSessions(server: string, limit: number, signal: AbortSignal): Promise<Closed>;
}
