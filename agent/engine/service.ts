import type { Request, Result, Status } from '../lifecycle/model/api.ts';
import type { Unlocked, UnlockRequest } from './unlock.ts';
import type { HoldersReport } from '../lifecycle/model/forecast.ts';
import type { PoolReport } from '../lifecycle/model/pool-report.ts';

/** The answer to a request: accepted (its intent is on disk, I8), or refused with nothing changed. */
export type Submitted =
  | {
      readonly accepted: true;
      /** The id of this request, also where it joined another operation: it alone is cancelled and answered by this id. */
      readonly id: string;
      readonly joined: boolean;
      /** The id of the operation that it joined. */
      readonly joins?: string;
    }
  | { readonly accepted: false; readonly result: Result };

/**
 * What control and the CLI may do with a running engine: submit requests and read snapshots. The sidecar serves it
 * over its socket, direct mode uses it in the CLI's own process.
 */
export interface Service {
  /** Resolves once the request is accepted, joined to a running operation, or refused. */
  submit(request: Request): Promise<Submitted>;
  /** The result of an ended operation, `running`, or undefined for an id never seen (or too long ago). */
  result(id: string): Result | 'running' | undefined;
  /**
   * Cancels the operation and restores what was found; by the id of a caller who joined, withdraws that request
   * alone. `too-late`: the stop has been issued.
   */
  cancel(id: string, by: string): 'cancelling' | 'unknown' | 'too-late';
  status(): Status;
  /**
   * The open connections at the node's servers, of every balancer that counts; asked no more often than is good for
   * HAProxy.
   */
  holders(): Promise<HoldersReport>;
  /**
   * Frees the slot of a node of the pool that no longer exists.
   * @throws LastcallError as `unlock` (unlock.ts)
   */
  unlock(request: UnlockRequest): Promise<Unlocked>;
  /** The whole pool, by its lock and by HAProxy; asked no more often than is good for HAProxy. */
  pool(): Promise<PoolReport>;
  /** Calls the listeners after each change worth showing; the answer takes them off. */
  watch(listener: Listener): () => void;
}

export interface Listener {
  status(status: Status): void;
  result(result: Result): void;
  /** The sidecar itself has freed the slot of another node of its pool, which no caller had asked for. */
  slotFreed?(freed: UnlockRequest): void;
}
