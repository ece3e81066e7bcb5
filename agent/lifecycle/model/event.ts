import type { Code } from '../../system/error.ts';
import type { Request } from './api.ts';
import type { Health } from './state.ts';
import type {
  Admin,
  Closed,
  LifeSigns,
  Look,
  Proof,
  ReadBackView,
  ServerView,
  Unproven,
} from './observation.ts';
import type { PoolView, SlotHolder } from './pool.ts';
import type { LockAsk } from './slot.ts';
import type { Survey } from './survey.ts';

/** All that can happen to a node. `at` is monotonic milliseconds; `startedAt` is when the question was asked. */
export type Event = { readonly at: number } & EventBody;

type EventBody =
  /** First event. `proof`: which process is the supervised application; `fresh`: it was started just now. */
  | {
      readonly type: 'booted';
      /** As the disk has it, whichever version wrote it; null = there is none. */
      readonly record: unknown;
      readonly sameBoot: boolean;
      readonly fresh: boolean;
      readonly proof: Proof | null;
      readonly alarm: string | null;
    }
  | { readonly type: 'tick' }
  | { readonly type: 'submit'; readonly request: Request }
  | { readonly type: 'cancel'; readonly id: string; readonly by: string }
  /** A second signal: the operation that is under way forces at once. */
  | { readonly type: 'force-now' }
  | { readonly type: 'polled'; readonly balancer: string; readonly look: Look; readonly startedAt: number }
  | { readonly type: 'poll-failed'; readonly balancer: string; readonly error: string }
  | { readonly type: 'counted'; readonly source: string; readonly count: number; readonly startedAt: number }
  | {
      readonly type: 'count-failed';
      readonly source: string;
      readonly error: string;
      readonly startedAt: number;
    }
  /**
   * The probe's current verdict, as a level: reported at each change, and again after `reset-probe`. `startedAt`: the
   * start of the first probe that led to `health`; -1 while it is unknown.
   */
  | {
      readonly type: 'probed';
      readonly health: Health;
      /** null = unchanged. */
      readonly signedOut: boolean | null;
      readonly startedAt: number;
      /** Why its latest probe was bad; null or absent = it was not, or it is not known. */
      readonly reason?: string | null;
    }
  | { readonly type: 'persisted'; readonly save: number }
  | { readonly type: 'persist-failed'; readonly save: number; readonly error: string }
  | {
      readonly type: 'surveyed';
      readonly id: string;
      readonly balancer: string;
      readonly survey: Survey;
      readonly startedAt: number;
    }
  | {
      readonly type: 'command-checked';
      readonly id: string;
      readonly need: 'stop' | 'start' | 'reboot';
      readonly proof: Proof | null;
      /** Present where a stop can run, and nothing will show that the application has ended. */
      readonly unproven?: Unproven;
    }
  /** The stop cannot be proven because the process that is named has ended already. */
  | {
      readonly type: 'app-absent';
      readonly id: string;
      readonly error: string;
      /** The signs that an application lives all the same. */
      readonly signs: LifeSigns;
    }
  /** A survey or a check failed; `code` is the stable code of the refusal. */
  | {
      readonly type: 'check-failed';
      readonly id: string;
      readonly need: string;
      readonly code: Code;
      readonly error: string;
    }
  /**
   * The answer to `set-server`: the server as it was afterwards (a state other than the requested `admin` was set by an
   * operator).
   */
  | {
      readonly type: 'server-set';
      readonly balancer: string;
      readonly server: string;
      readonly admin: Admin;
      readonly view: ReadBackView;
      readonly epoch: number;
      readonly startedAt: number;
    }
  | {
      readonly type: 'set-server-failed';
      readonly balancer: string;
      readonly server: string;
      readonly epoch: number;
      readonly error: string;
    }
  /** The answer to `set-weight`: the weight as it was afterwards; null = it is not shown. */
  | {
      readonly type: 'weight-set';
      readonly balancer: string;
      readonly server: string;
      readonly weight: number;
      readonly seen: number | null;
      readonly startedAt: number;
    }
  | {
      readonly type: 'set-weight-failed';
      readonly balancer: string;
      readonly server: string;
      /** HAProxy refuses it, and will refuse it again. */
      readonly isFinal: boolean;
      readonly error: string;
    }
  | {
      readonly type: 'connections-closed';
      readonly balancer: string;
      readonly server: string;
      /** What HAProxy closed; null with an error. */
      readonly closed: Closed | null;
      readonly error: string | null;
    }
  | {
      readonly type: 'stopped';
      readonly epoch: number;
      readonly how: string;
      readonly warnings: readonly string[];
      /** Present where no process proves that the application has ended. */
      readonly unproven?: true;
      /** Present where its process had ended by itself: the signs that an application lives all the same. */
      readonly signs?: LifeSigns;
    }
  | { readonly type: 'stop-failed'; readonly epoch: number; readonly error: string }
  | { readonly type: 'started'; readonly epoch: number; readonly proof: Proof | null }
  | { readonly type: 'start-failed'; readonly epoch: number; readonly error: string }
  /** systemd has accepted the reboot: it comes, or `Policy.rebootMs` passes without it. */
  | { readonly type: 'reboot-asked'; readonly id: string }
  /** The machine's systemd has refused it: it will not come. */
  | { readonly type: 'reboot-refused'; readonly id: string; readonly code: Code; readonly error: string }
  | { readonly type: 'gate-set'; readonly to: 'on' | 'off'; readonly error: string | null }
  | { readonly type: 'warning-sent'; readonly warningIndex: number; readonly error: string | null }
  /** The lock has answered a question for the claim `id`: the pool as it is then. */
  | {
      readonly type: 'lock-answered';
      readonly does: LockAsk['does'];
      readonly id: string;
      readonly view: PoolView;
    }
  | { readonly type: 'lock-failed'; readonly id: string; readonly begun: number; readonly error: string }
  /** The servers of the holder with the claim `id`, in one list; null with an error. */
  | {
      readonly type: 'holder-read';
      readonly id: string;
      readonly servers: readonly HolderServer[] | null;
      readonly error: string | null;
      readonly startedAt: number;
    }
  /** Its slot was freed, or has changed since it was read (`isFreed` false), or the lock has not answered. */
  | {
      readonly type: 'holder-freed';
      readonly holder: SlotHolder;
      readonly isFreed: boolean;
      readonly error: string | null;
    }
  /** What became of a stop that was issued before a crash. */
  | {
      readonly type: 'stop-checked';
      readonly epoch: number;
      readonly outcome: 'gone' | 'alive' | 'unknown';
      /** Present where the end was not proven. */
      readonly warnings?: readonly string[];
      /** Present where a process proves the end: the signs that an application lives all the same. */
      readonly signs?: LifeSigns;
    }
  /**
   * The proven process has ended without our stop, and no other one is named in its place: reported again and again
   * until the lifecycle accepts it. `signs`: what still answers in its place.
   */
  | { readonly type: 'app-gone'; readonly signs: LifeSigns }
  /** The answer to `look-for-life`. */
  | { readonly type: 'life'; readonly id: string; readonly signs: LifeSigns }
  /** Another process is proven to be the application: it was started again, or has replaced itself. */
  | { readonly type: 'app-back'; readonly proof: Proof };

/** A server of another node, as it shows at one of our balancers. */
export interface HolderServer extends Pick<
  ServerView,
  'name' | 'absent' | 'admin' | 'operational' | 'assumedUp' | 'check'
> {
  readonly balancer: string;
}
