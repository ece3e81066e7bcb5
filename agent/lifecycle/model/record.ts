import type { Phase } from './api.ts';
import type { Addresses, Admin, Counters, Proof } from './observation.ts';
import type { Operation } from './operation.ts';
import type { CapacityLevel, Outing } from './outing.ts';
import type { Hold, StartStep } from './recorded-parts.ts';
import type { Slot, SlotRequest, Soak } from './slot.ts';
import type { Ramp } from './ramp.ts';
import type { AppliedState, ServerState } from './server-state.ts';
import type { Relative } from './survey.ts';

/**
 * What survives a crash: the intent and all that is needed to carry it on or to undo it. Written before it is
 * acknowledged or acted upon. Times are monotonic milliseconds of the boot that wrote them. It is flat, and is read by
 * the version before and the version after: fields are added, and what an older record lacks has a meaning.
 */
export interface StateRecord {
  readonly savedAt: number;
  readonly phase: Phase;
  readonly epoch: number;
  readonly op: SavedOperation | null;
  readonly balancers: Readonly<
    Record<
      string,
      SavedWorker & {
        /** Absent in an older record. */
        readonly relatives?: readonly Relative[];
        /** How many connections its last look had shown. */
        readonly seen?: number;
        /** Where its servers were seen last. */
        readonly addresses?: Addresses;
        /**
         * A reload may have brought servers of this application, and no survey has answered yet; absent = no
         * reload.
         */
        readonly reloaded?: boolean;
        readonly servers: Readonly<Record<string, SavedServer>>;
      }
    >
  >;
  readonly proof: Proof | null;
  readonly appGone: boolean;
  /** Its end is not proven. Absent in an older record. */
  readonly appUnproven?: boolean;
  readonly stopIssued: boolean;
  readonly start: StartStep;
  readonly forcedOut: boolean;
  readonly noFence: boolean;
  readonly restoring: boolean;
  readonly expiresAt: number | null;
  readonly sticky: string | null;
  /** Absent in an older record. */
  readonly level?: Outing['level'] | null;
  readonly lasting?: boolean;
  readonly expiresMs?: number | null;
  readonly capacity?: Pick<CapacityLevel, 'isOver' | 'drainedIn'>;
  readonly signedOut?: 'no' | 'unheard' | 'heard';
  /** The application was started afresh, and the start that found that was interrupted before it went on. */
  readonly fresh?: boolean;
  /** MAINT was written in this outing; absent in an older record, which has only the servers' states. */
  readonly fencedBefore?: boolean;
  readonly hold: SavedHold | null;
  /** The claim to a slot of its pool; absent = none, or an older record. */
  readonly slot?: SavedSlot;
  readonly waiting?: readonly SlotRequest[];
}

/** `soak` is absent where there is none, and in an older record; so are `lock`, `wasHeld` and `namedAtLock`. */
export type SavedSlot = Pick<Slot, 'claim' | 'isOver' | 'failure'> &
  Partial<Pick<Slot, 'lock' | 'wasHeld' | 'namedAtLock'>> & { readonly soak?: SavedSoak };

/** `unknownSince` is absent in an older record. */
type SavedSoak = Omit<Soak, 'unknownSince'> & Partial<Pick<Soak, 'unknownSince'>>;

type SavedHold = Omit<Hold, 'askers'> & Partial<Pick<Hold, 'askers'>>;

/** A worker, or none; `bornAt` is missing in records of versions that identified a worker by its pid alone. */
export interface SavedWorker {
  readonly pid: number | null;
  readonly bornAt?: number | null;
}

type SavedApplied = Omit<AppliedState, 'worker'> & SavedWorker;
/**
 * `want`, `ours`, `said`, `told` and `held` keep the names of schema 1, and are called desired, `possiblyOurs`,
 * `everWritten`, `applied` and `foreign` everywhere else: other keys would be a schema 2. A sidecar that is upgraded in
 * the middle of a drain would put such a record aside and take its own MAINT for an operator's, and after a downgrade
 * the version before could not read the new one.
 */
export type SavedServer = Pick<ServerState, 'found'> & {
  /** `ServerState.possiblyOurs`, and `everWritten`. */
  readonly ours: readonly Admin[];
  readonly said: readonly Admin[];
  /** What was wanted: the level of an outing follows from it in an older record. */
  readonly want: Admin | null;
  readonly held: boolean;
  /** Absent in an older record. */
  readonly heldIn?: Admin | null;
  readonly told?: SavedApplied | null;
  /** Absent where no weight is ours, and in an older record. */
  readonly ramp?: SavedRamp;
};
/** The next look shows which of its weights is set. */
export type SavedRamp = Omit<Ramp, 'ours' | 'write'>;
export type SavedOperation = Omit<Operation, 'baseline' | 'warnings' | 'joined' | 'reboot'> & {
  /** Their texts, and what each is about: by its place, absent in an older record. */
  readonly warnings: readonly string[];
  readonly subjects?: readonly string[];
  /** Absent in an older record. */
  readonly joined?: Operation['joined'];
  readonly reboot?: Operation['reboot'];
  readonly baseline: Readonly<Record<string, SavedWorker & { readonly counters: Counters | null }>>;
};
