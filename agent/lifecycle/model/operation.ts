import type { Code } from '../../system/error.ts';
import type { Joined, OnTimeout, OperationKind, Request, SourceCount } from './api.ts';
import type { Counters, Proof, Worker } from './observation.ts';
import type { Reasserts } from './recorded-parts.ts';
import type { Survey } from './survey.ts';
import type { Warning } from './warnings.ts';

/** Parts of the state: the requests and how far each has got. */

/** The operations that end with the application stopped, or stop it on their way. */
export function stopsApp(kind: OperationKind | undefined): boolean {
  return kind === 'stop' || kind === 'restart' || kind === 'reboot';
}

/** Those that bring the node back by themselves. */
export function comesBack(kind: OperationKind | undefined): boolean {
  return kind === 'restart' || kind === 'reboot';
}

/**
 * How far the reboot of the machine has got. `intended`: on its way to the disk; `sent`: asked for, or perhaps asked
 * for by a sidecar before this one, so never again in this operation (I6); `booted`: the machine has booted since; `cut`:
 * it has booted although this operation had not asked for it yet.
 */
export type RebootStep = 'none' | 'intended' | 'sent' | 'booted' | 'cut';

/** A caller that waits for the end of its kind of operation: a drain that joined a stop ends at `drained`. */
export interface Ticket {
  readonly id: string;
  readonly kind: OperationKind;
}

export interface Operation {
  readonly id: string;
  readonly kind: OperationKind;
  /** Its own (whose id cancels it), and one for each caller who joined (whose id withdraws that request alone). */
  readonly tickets: readonly Ticket[];
  /** Those of the callers who joined, the withdrawn ones among them. */
  readonly joined: readonly Joined[];
  readonly by: string;
  readonly reason: string | null;
  readonly onTimeout: OnTimeout;
  readonly timeoutMs: number;
  /** How long its way back may take, counted from the beginning of that way. */
  readonly returnMs: number;
  readonly expiresMs: number | null;
  readonly startedAt: number;
  readonly deadline: number;
  readonly sessionsStart: number | null;
  /** How many sessions were left when the application had ended; null = it has not ended in this operation. */
  readonly sessionsLast: number | null;
  /** What the sources had counted at the intent to stop, since an application that ends answers no more; null = there was no intent. */
  readonly countedAtStop: readonly SourceCount[] | null;
  readonly forced: number;
  /** Connections closed by force, by kind. */
  readonly closed: { readonly tunnels: number; readonly requests: number };
  readonly warnings: readonly Warning[];
  /** Which warn hooks have run, by their place in the policy. */
  readonly warned: readonly number[];
  readonly reasserts: Reasserts;
  /** Counters at the start, by balancer and server, with the worker that counted them. */
  readonly baseline: Readonly<
    Record<string, { readonly worker: Worker | null; readonly counters: Counters | null }>
  >;
  /** Servers of this application that were left out on purpose. */
  readonly ignoreServers: readonly string[];
  /** Where a hash alone bound users, `lb1: app/app1 (balance source)`: its DRAIN moved them at once; null = nowhere. */
  readonly hashed: string | null;
  /**
   * Before the fence of a stop the survey asks again whether a stick table binds users: `refuse` then aborts the
   * stop, `warn` only warns, `none` does not ask (a source counts, or it was answered before).
   */
  readonly recheck: 'refuse' | 'warn' | 'none';
  readonly reboot: RebootStep;
  /** The first cause of giving up; what was found is being put back. */
  readonly outcome: { readonly code: Code; readonly message: string } | null;
  readonly restoreBy: number | null;
}

/** What an operation keeps of what binds users, where nothing does. */
export const NO_BINDINGS: Pick<Operation, 'hashed' | 'recheck'> = { hashed: null, recheck: 'none' };

export interface Candidate {
  readonly request: Request;
  readonly at: number;
  readonly surveys: Readonly<Record<string, Survey>>;
  /** Balancers that could not be asked, with their errors, where the request goes on without them. */
  readonly unasked: Readonly<Record<string, string>>;
  readonly needs: readonly Need[];
  /** The sources that have not answered yet. */
  readonly reading: Readonly<Record<string, Reading>>;
  /** Those that cannot be read, with their errors. */
  readonly unread: Readonly<Record<string, string>>;
  readonly proof: Proof | null;
  /** Why nothing will show that the application has ended; null = it will be seen. */
  readonly unproven: string | null;
  /** There is no application to stop any more. */
  readonly gone: boolean;
  /** Since when nothing but a slot of the pool is missing; null = other checks are not over yet. */
  readonly turnAt: number | null;
  /** The operation that it joins: it brings nothing but its terms, and nothing is checked; null = it is one of its own. */
  readonly joins: string | null;
}

/** A source that is asked before an operation begins. */
export interface Reading {
  readonly tries: number;
  /** When it is asked again, in monotonic milliseconds; null = it is being asked. */
  readonly retryAt: number | null;
}

/** What a candidate still waits for. */
export type Need = `survey ${string}` | 'stop' | 'start' | 'reboot' | 'life';
