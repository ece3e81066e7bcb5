import type { SlotHolder } from './pool.ts';
import type { HolderPlace, LockAsk } from './slot.ts';
import type { OnTimeout, OperationKind, Result } from './api.ts';
import type { StateRecord } from './record.ts';
import type { Addresses, Admin, Proof } from './observation.ts';
import type { SurveyScope } from './survey.ts';

/** The input of a warn hook. */
export interface DeadlineWarning {
  readonly id: string;
  readonly operation: OperationKind;
  /** Sessions, or connections where there are more of them; null = unknown. */
  readonly sessions: number | null;
  readonly secondsLeft: number;
  readonly onTimeout: OnTimeout;
}

/** All that the lifecycle may ask of the world. Each ends in exactly one event, but for `reply`, `finish`, `log`, `slot-freed`. */
export type Effect =
  /** Intent to disk; nothing is done towards it before `persisted` comes back. */
  | { readonly type: 'persist'; readonly save: number; readonly record: StateRecord }
  | {
      readonly type: 'survey';
      readonly id: string;
      readonly balancer: string;
      readonly scope: SurveyScope;
      /** Where this node's servers were seen last: a server with the address of one that is gone is this application too. */
      readonly addresses: Addresses;
    }
  | { readonly type: 'check'; readonly id: string; readonly need: 'stop' | 'start' | 'reboot' }
  /** Read, write `admin` unless another state than `mayReplace` is there, read back. */
  | {
      readonly type: 'set-server';
      readonly balancer: string;
      readonly server: string;
      readonly admin: Admin;
      readonly mayReplace: readonly Admin[];
      readonly epoch: number;
    }
  /**
   * Read, write `weight` unless another one than those of `mayReplace` is there, read back. `full`: the weight to which
   * a later one will raise it, which has to be possible as well.
   */
  | {
      readonly type: 'set-weight';
      readonly balancer: string;
      readonly server: string;
      readonly weight: number;
      readonly full: number;
      readonly mayReplace: readonly number[];
    }
  /** Ask at once, whatever the pace of the polls; to count, whatever the source's own pause: it is asked for rarely. */
  | { readonly type: 'poll'; readonly balancer: string }
  | { readonly type: 'count'; readonly source: string }
  /** End at most `limit` sessions; Infinity = all. */
  | {
      readonly type: 'close-connections';
      readonly balancer: string;
      readonly server: string;
      readonly limit: number;
    }
  | { readonly type: 'stop'; readonly epoch: number; readonly proof: Proof | null }
  | { readonly type: 'check-stop'; readonly epoch: number; readonly proof: Proof | null }
  /** Does anything answer in the name of an application that is taken for gone? Only these sources are asked. */
  | { readonly type: 'look-for-life'; readonly id: string; readonly sources: readonly string[] }
  | { readonly type: 'start'; readonly epoch: number }
  /** Ask for the reboot of the machine, once. */
  | { readonly type: 'reboot'; readonly id: string }
  /** Make the application refuse new sessions, or take them again. */
  | { readonly type: 'set-gate'; readonly to: 'on' | 'off' }
  /** Calls a warn hook: the deadline is near and users are still connected. */
  | { readonly type: 'send-warning'; readonly warningIndex: number; readonly about: DeadlineWarning }
  /** Asks the lock of the pool. */
  | { readonly type: 'ask-lock'; readonly ask: LockAsk }
  /** Reads the servers of a node that holds a slot and whose sidecar does not live. */
  | { readonly type: 'read-holder'; readonly id: string; readonly places: readonly HolderPlace[] }
  /** Frees that holder's slot, unless the slot has changed since it was read or the holder's sidecar lives again. */
  | { readonly type: 'free-holder'; readonly holder: SlotHolder }
  /** For the audit log: this node has freed the slot of another one. */
  | { readonly type: 'slot-freed'; readonly node: string; readonly reason: string }
  /** Discards the probe results: probes begun before this never count again, and `probed` is reported anew. */
  | { readonly type: 'reset-probe' }
  /** The request `id` is accepted (its intent is on disk); its result will come under `ticket`. */
  | {
      readonly type: 'reply';
      readonly id: string;
      readonly ticket: string;
      /** The operation that it joined; null = it is one of its own. */
      readonly joins: string | null;
    }
  /** The end of an operation, or of a request that was refused (`ok` false and nothing changed). */
  | { readonly type: 'finish'; readonly result: Result; readonly refused: boolean }
  | { readonly type: 'log'; readonly level: 'info' | 'warn' | 'error'; readonly text: string };
