import type { OperationKind } from './api.ts';

/** The whole pool as `status --pool` shows it: by its lock and by HAProxy, asked when it is wanted and never polled. */
export interface PoolReport {
  /** ISO time of the oldest answer in it: the lock and each balancer are asked separately. */
  readonly at: string;
  /** Null where no lock is configured: nothing is known of who waits, and only `drain.keep` keeps nodes apart. */
  readonly lock: PoolLock | null;
  readonly balancers: readonly PoolBalancer[];
}

/** What the lock says. */
export interface PoolLock {
  readonly pool: string;
  /** For people: `etcd http://10.0.0.9:2379`, `file /run/lock/app.lock`. */
  readonly name: string;
  /** Why it does not answer; the rest is unknown then. */
  readonly error: string | null;
  readonly slots: number | null;
  readonly brake: number | null;
  readonly holders: readonly PoolHolder[];
  /** The next one first. */
  readonly waiters: readonly PoolWaiter[];
}

/** A node that waits for a slot. */
export interface PoolWaiter {
  readonly node: string;
  /** The operation for which the node has a slot, or waits for one. */
  readonly operation: OperationKind;
  readonly by: string;
  readonly reason: string | null;
  /** ISO time, by the clock of that node. */
  readonly since: string;
}

/** A node that holds a slot. */
export interface PoolHolder extends PoolWaiter {
  readonly state: 'out' | 'soaking' | 'failed';
  /** Why it did not come back. */
  readonly failure: string | null;
  /** False: what proves that its sidecar lives has ended. */
  readonly alive: boolean;
}

/** The backends in which this node's servers stand, at one balancer. */
export interface PoolBalancer {
  readonly name: string;
  /** Why it shows nothing. */
  readonly error: string | null;
  readonly servers: readonly PoolServer[];
}

/** One server, as HAProxy shows it. */
export interface PoolServer {
  /** `backend/server`. */
  readonly name: string;
  /** HAProxy's own text: `UP`, `DRAIN`, `MAINT`, `no check`... */
  readonly status: string;
  /** Since that changed last, in seconds, where HAProxy says so. */
  readonly seconds: number | null;
  readonly connections: number | null;
  readonly queued: number | null;
}
