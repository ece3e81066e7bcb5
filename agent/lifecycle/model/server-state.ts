import type { Addresses, Admin, Look, Worker } from './observation.ts';
import type { Ramp } from './ramp.ts';
import type { Relative, ServerSurvey } from './survey.ts';
import { NO_WRITE, type Write } from './write.ts';

/** What the lifecycle keeps of each balancer, of each server there, and of each source. */

export type LostServers = Readonly<Record<string, ServerState>>;

export interface BalancerState {
  /** The last good poll, and its start: one begun before a change does not show it. */
  readonly look: Look | null;
  readonly startedAt: number;
  readonly at: number;
  /** Why it cannot be asked at present; the look is then history, not knowledge. */
  readonly error: string | null;
  /** Since when looks have failed, and how many; null = the last one was good. */
  readonly outage: Outage | null;
  /** How many connections the last good look of a sidecar before this one had shown. */
  readonly seenBefore: number;
  /** The worker that answered last; null = none has, or the balancer does not show its workers. */
  readonly worker: Worker | null;
  /** The surroundings in the last survey of an operation; null = no survey yet. */
  readonly around: Surroundings | null;
  /**
   * A reload, or a command that gave a server of ours another address, may have brought servers of this application that
   * are not listed: `asked` is the operation for which that is asked, null = it has not been yet. null altogether =
   * neither, or it is answered.
   */
  readonly reloaded: { readonly asked: string | null } | null;
  /**
   * Where each server was seen last, also one that a reload has taken away since. While the node is out with an
   * application that may live: where it led when the node began to go out.
   */
  readonly addresses: Addresses;
  readonly servers: Readonly<Record<string, ServerState>>;
}

export interface Outage {
  readonly since: number;
  readonly looks: number;
}

/** See `Survey`: the neighbours, and other servers of this application, as of `at`. */
export interface Surroundings {
  readonly at: number;
  readonly facts: readonly ServerSurvey[];
  readonly relatives: readonly Relative[];
}

/** The admin state that we set and read back: since when, and which worker showed it last. */
export interface AppliedState {
  readonly admin: Admin;
  readonly at: number;
  readonly worker: Worker | null;
}

export interface ServerState {
  /** What it was before our operation; null = not ours. */
  readonly found: { readonly admin: Admin; readonly weight: number | null } | null;
  /** States that may be set because of us right now; another MAINT or DRAIN is foreign (I2). */
  readonly possiblyOurs: readonly Admin[];
  /** All states we wrote in this outing: after a reload a state file may bring any of them back. */
  readonly everWritten: readonly Admin[];
  /** The foreign state that an operator keeps it in (`unknown`: not seen yet); null = not held. */
  readonly foreign: Admin | 'unknown' | null;
  /** How often our state was undone there by the same worker, without a reload, and when last. */
  readonly undone: { readonly times: number; readonly at: number };
  /** Our state that was last read back there; null = none in this outing, or it was lost since. */
  readonly applied: AppliedState | null;
  /** The wanted state was seen in this epoch. */
  readonly inSync: boolean;
  /** Our state was lost: the time of the last look that showed it; null = it is set, or was never seen. */
  readonly lostAt: number | null;
  /** The configuration no longer lists it: lastcall puts back what was found when the node returns, and does nothing else (I17). */
  readonly isLost: boolean;
  /** Its weight on the way back; null = no weight there is lastcall's. */
  readonly ramp: Ramp | null;
  readonly write: Write;
}

export interface SourceState {
  readonly count: number | null;
  readonly startedAt: number;
  readonly at: number | null;
  /** When the count last became another one. */
  readonly changedAt: number;
  /** Since when, and over how many samples, its answer is the same of the three: zero, some, unknown. */
  readonly answerSince: number;
  readonly answerSamples: number;
  readonly error: string | null;
}

export const NO_SERVER: ServerState = {
  found: null,
  possiblyOurs: [],
  everWritten: [],
  foreign: null,
  undone: { times: 0, at: 0 },
  applied: null,
  inSync: false,
  lostAt: null,
  isLost: false,
  ramp: null,
  write: NO_WRITE,
};

/** Nothing is wanted of it any more; what is on its way to it still is. */
export function released({ write: { underWay, answeredAt } }: ServerState): ServerState {
  return { ...NO_SERVER, write: { ...NO_WRITE, underWay, answeredAt } };
}

/** A state that held it becomes ours, as if the outing had found it so: that is what is put back, and one in MAINT stays in it. */
export function takenOver(own: ServerState): ServerState {
  const { found, foreign } = own;
  if (found === null || foreign === null) return own;
  const taken = foreign === 'unknown' ? {} : { found: { ...found, admin: foreign }, everWritten: [foreign] };
  return { ...own, ...taken, foreign: null, possiblyOurs: ['drain', 'maint'] };
}

/** For the next operation it was found READY, whatever state of an operator this outing had taken over. */
export function asReady(own: ServerState): ServerState {
  const { found, foreign, isLost } = own;
  return found === null || foreign !== null || isLost ? own : { ...own, found: { ...found, admin: 'ready' } };
}

export function notAsked(servers: readonly string[]): BalancerState {
  return {
    look: null,
    startedAt: -1,
    at: -1,
    error: null,
    outage: null,
    seenBefore: 0,
    worker: null,
    around: null,
    reloaded: null,
    addresses: {},
    servers: Object.fromEntries(servers.map((server) => [server, NO_SERVER])),
  };
}

export function notCounted(at: number): SourceState {
  return {
    count: null,
    startedAt: -1,
    at: null,
    changedAt: at,
    answerSince: at,
    answerSamples: 0,
    error: null,
  };
}

/** Our connections in its last good poll, as far as that counted them. */
export function lastSeen({ look, seenBefore }: BalancerState): number {
  if (look === null) return seenBefore;
  return look.servers.reduce(
    (total, { connections, queued }) => total + (connections ?? 0) + (queued ?? 0),
    0,
  );
}
