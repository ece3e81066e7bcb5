import type { OperationKind } from './api.ts';

/** The pool of a node: at most so many nodes of it are out at a time, by a lock that all of them share. */

/** One node's claim to a slot of its pool. */
export interface Claim {
  readonly pool: string;
  readonly node: string;
  /** Random, 16 hex digits; kept in the state file, so that a restarted sidecar knows its own claim. */
  readonly id: string;
  /** The operation for which it was made, who asked for it, and why. */
  readonly operation: OperationKind;
  readonly by: string;
  readonly reason: string | null;
  /** Of this node's configuration. Nodes that disagree are held to the smallest number. */
  readonly slots: number;
  readonly brake: number;
  /**
   * By the place of each balancer (haproxy/socket-identity.ts): this node's servers there, where the others see a dead holder's;
   * none at one that only polls.
   */
  readonly servers: Readonly<Record<string, readonly string[]>>;
}

/** A node that holds a slot. */
export interface SlotHolder {
  readonly claim: Claim;
  /** `out`: it is out, or on its way; `soaking`: it is back, and has to stay so for a while; `failed`: it did not come back. */
  readonly state: 'out' | 'soaking' | 'failed';
  /** Why it did not come back; null where it has not failed. */
  readonly failure: string | null;
  /** Wall clock, milliseconds: for people only. */
  readonly since: number;
  /** False: the lease (or the process) that proves that the holder lives has ended. */
  readonly alive: boolean;
  /** Its process is in another pid namespace: that it lives is assumed, and cannot be seen. Absent = it is not. */
  readonly isUnseen?: true;
  /** Of the slot's own entry: it is freed by comparison with this alone. */
  readonly revision: string;
}

/** A node that waits for a slot. */
export interface Waiter {
  readonly claim: Claim;
  /** Wall clock, milliseconds: for people only. */
  readonly since: number;
  /** 1 = the next one. */
  readonly position: number;
  /** As `SlotHolder.isUnseen`. */
  readonly isUnseen?: true;
}

/** All that a lock knows of a pool at one moment. */
export interface PoolView {
  /** Monotonic milliseconds when it was asked. */
  readonly begun: number;
  readonly holders: readonly SlotHolder[];
  /** The next one first. */
  readonly waiters: readonly Waiter[];
  /** The smallest number of all claims in it. */
  readonly slots: number;
  readonly brake: number;
  /** Why the lock gives no slot now, even where one is free, as text. Absent: it gives one. */
  readonly closed?: string;
}
