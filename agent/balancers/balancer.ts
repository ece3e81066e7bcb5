import type { Admin, Look, ServerView, Survey } from '../lifecycle/view.ts';

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

  /**
   * One cheap look, the same cost whatever the size of HAProxy's configuration.
   * @throws LastcallError `balancer-unreachable` | `no-such-server` | `not-permitted`
   */
  look(signal: AbortSignal): Promise<Look>;

  /** A look plus what an operation needs to know before it begins; also proves that we may write. */
  survey(signal: AbortSignal): Promise<Survey>;

  /**
   * Reads the server's state, writes `admin` only if the state found is `admin` itself or in `mayReplace`, and
   * reads back. Answers the state after it; a server found in another state is answered as it is, unwritten, and the
   * caller sees by `admin` that it is not what was asked.
   * @throws LastcallError `balancer-unreachable` | `no-such-server` | `not-permitted` | `failed` (read back another state)
   */
  set(server: string, admin: Admin, mayReplace: readonly Admin[], signal: AbortSignal): Promise<ServerView>;

  /**
   * Ends the server's connections at this balancer (`shutdown sessions server`). Only after MAINT and an empty
   * queue: HAProxy gives queued requests to the server in their place (haproxy-facts F).
   * @throws LastcallError as `set`
   */
  closeSessions(server: string, signal: AbortSignal): Promise<void>;
}
