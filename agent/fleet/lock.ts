import type { Claim, SlotHolder, PoolView } from '../lifecycle/model/pool.ts';

/**
 * The lock of a pool, as all its nodes share it: a semaphore of `slots`. A slot outlives the process that holds it: it is
 * given back by its holder, or freed by comparison of its revision. A place in the queue ends with its process.
 * All methods are bounded by the driver's own deadline as well as by the signal.
 */
export interface FleetLock {
  /** For people: `etcd http://10.0.0.9:2379`, `file /run/lock/app.lock`. */
  readonly name: string;

  /**
   * Takes a slot where one is free, no one was earlier, and fewer than `brake` holders have failed; else a place in the
   * queue. Idempotent for one claim id; what was claimed with the id before, by a process that has ended, is taken over,
   * and its entry is written anew where this claim is another one: a node may have got other servers meanwhile.
   * @returns the pool afterwards: the claim is among its holders or its waiters
   * @throws LastcallError `locked` when the lock cannot be reached or read: nothing is known then
   */
  take(claim: Claim, signal: AbortSignal): Promise<PoolView>;

  /**
   * Reads the pool, as it is after the call began (linearizable). It changes nothing: a waiter whose turn has come takes
   * its slot by `take`.
   * @throws LastcallError as `take`
   */
  look(signal: AbortSignal): Promise<PoolView>;

  /**
   * Writes the state of this node into its slot, for the others, and its claim as it is now.
   * @throws LastcallError as `take`; `failed` when the slot is not ours any more
   */
  mark(
    claim: Claim,
    state: SlotHolder['state'],
    failure: string | null,
    signal: AbortSignal,
  ): Promise<PoolView>;

  /**
   * Gives the slot, or the place in the queue, back; idempotent.
   * @throws LastcallError as `take`
   */
  give(claim: Claim, signal: AbortSignal): Promise<PoolView>;

  /**
   * Frees the slot of another node, if its entry is the one that was read.
   * @returns false: it has changed meanwhile, and stays
   * @throws LastcallError as `take`
   */
  free(holder: SlotHolder, signal: AbortSignal): Promise<boolean>;

  /** Ends what proves that this process lives (keep-alives); its slot stays. */
  close(): Promise<void>;
}
