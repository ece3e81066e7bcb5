import type { OperationKind, Request } from './api.ts';
import type { Claim, PoolView, SlotHolder } from './pool.ts';

/** This node's part in its pool, and what is asked of the lock. */

export interface Slot {
  readonly claim: Claim;
  /** `PoolPolicy.lock` of the configuration that made the claim. */
  readonly lock: readonly string[];
  /** By the last answer; `unknown`: there is none yet; `lost`: it was held, and is no more. */
  readonly is: 'unknown' | 'waits' | 'held' | 'lost';
  /** It was held since it was asked for, by this sidecar or by one before it. */
  readonly wasHeld: boolean;
  /** The servers that the lock's own entry of the claim named when it was read last; `claim` may be newer. */
  readonly namedAtLock: Claim['servers'];
  readonly view: PoolView | null;
  /** Why the last question was not answered; null = it was. */
  readonly error: string | null;
  /** When the last question that came back was asked; -1 = none has. */
  readonly begun: number;
  /** What is being asked. */
  readonly asked: LockAsk['does'] | null;
  /** When the last answer, or failure, came; null = none has. */
  readonly answeredAt: number | null;
  /** A look that was begun earlier than this is of no use. */
  readonly lookFor: number;
  readonly failures: number;
  /** A caller who cannot be refused goes on without it. */
  readonly isOver: boolean;
  /** The save that carries the claim: it is on disk before it is asked for. */
  readonly save: number;
  /** How the last operation ended that was not done; null = all were. */
  readonly failure: string | null;
  /** The node has to stay well before its slot is given back; null = it need not. */
  readonly soak: Soak | null;
  /** Of the first one in the queue: the holders whose sidecars do not live. */
  readonly deadHolders: readonly DeadHolder[];
}

/** A holder whose sidecar does not live, and what its servers have shown since that was seen. */
export interface DeadHolder {
  /** Its claim, and the revision of its slot. */
  readonly id: string;
  readonly revision: string;
  /** Where its servers can be read; null = not all of them can. */
  readonly places: readonly HolderPlace[] | null;
  readonly asked: 'read' | 'free' | null;
  /** When the last answer came; null = none has. */
  readonly answeredAt: number | null;
  /** When the first of the reads was begun that have all shown it in service, up to the last; null = the last has not. */
  readonly inServiceSince: number | null;
  /** Why its slot is not freed yet, in words; null = nothing is known of its servers yet. */
  readonly why: string | null;
}

/** The servers of another node, `backend/server`, at one of our balancers. */
export interface HolderPlace {
  readonly balancer: string;
  readonly servers: readonly string[];
}

export interface Soak {
  /** Since when it has been well, in monotonic milliseconds, pauses left out; null = it begins anew. */
  readonly since: number | null;
  /** Since when it is unknown; null = it is known. */
  readonly unknownSince: number | null;
  /** By what it has failed; null = it has not. */
  readonly failure: string | null;
}

export const NEW_SOAK: Soak = { since: null, unknownSince: null, failure: null };

export const NEW_SLOT: Omit<Slot, 'claim' | 'lock' | 'save'> = {
  is: 'unknown',
  wasHeld: false,
  namedAtLock: {},
  view: null,
  error: null,
  begun: -1,
  asked: null,
  answeredAt: null,
  lookFor: -1,
  failures: 0,
  isOver: false,
  failure: null,
  soak: null,
  deadHolders: [],
};

/** A question to the lock. */
export type LockAsk =
  | { readonly does: 'take' | 'look' | 'give'; readonly claim: Claim }
  | {
      readonly does: 'mark';
      readonly claim: Claim;
      readonly state: SlotHolder['state'];
      readonly failure: string | null;
    };

/** A request that was accepted and waits for a slot. */
export interface SlotRequest {
  readonly request: Request;
  readonly since: number;
  readonly deadline: number;
}

/** What takes a node of a pool out of service. */
const OUTWARD: readonly OperationKind[] = ['drain', 'stop', 'restart', 'reboot', 'hold'];

export function takesOut(kind: OperationKind): boolean {
  return OUTWARD.includes(kind);
}

/** The holder's own entry for a claim. */
export function holderOf(view: PoolView | null, { id }: Claim): SlotHolder | undefined {
  return view?.holders.find(({ claim }) => claim.id === id);
}
