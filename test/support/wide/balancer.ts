import type {
  Admin,
  Look,
  LookScope,
  Origin,
  Over,
  ServerView,
} from '../../../agent/lifecycle/model/observation.ts';
import type { Sibling, Survey, SurveyScope } from '../../../agent/lifecycle/model/survey.ts';
import { type Line } from './line.ts';

/** A server of one HAProxy. `by`: the writer of its state, which the real one does not record. */
export interface LbServer {
  readonly name: string;
  /** The part of the name before the slash: servers of one backend stand in for each other. */
  readonly backend: string;
  /** Which node of the pool it is. */
  readonly node: number;
  admin: Admin;
  origin: Origin;
  /** What lies over its state, which no command ends: DNS, or a server that it tracks. */
  over: { readonly admin: Admin; readonly by: Over['by'] } | null;
  /** A reload has removed its line. */
  absent: boolean;
  by: 'us' | 'operator' | 'none';
  /** DRAIN and MAINT that our sidecar has written since it wrote READY last. */
  readonly said: Set<Admin>;
  since: number;
  /** When an operator, DNS, a tracked server or a reload last had a hand at it. */
  touchedAt: number;
  /** As HAProxy's own check sees the application. */
  up: boolean;
  total: number;
  /** When the last connection to it began. */
  lastAt: number;
  errors: number;
  /** HAProxy's configuration has it: users are sent there. */
  listed: boolean;
  /** Its weight, who set it last, and since when it is so. */
  weight: number;
  weightBy: LbServer['by'];
  weightSince: number;
  /** What it is without lastcall; null = a state file may have brought back any. */
  restWeight: number | null;
}

/** The weight of the configuration. */
export const CONFIGURED_WEIGHT = 100;
/** What each server begins with. */
export const NEW_WEIGHT = {
  weight: CONFIGURED_WEIGHT,
  weightBy: 'none',
  weightSince: -Infinity,
  restWeight: CONFIGURED_WEIGHT,
} as const;

/** A connection, with the worker that has accepted it: an old one serves its own to their end. */
export interface Connection {
  readonly lb: SimLb;
  readonly server: LbServer;
  readonly since: number;
  readonly worker: number;
  queued: boolean;
}

/**
 * It waits in a worker's queue, and is no connection to the application yet. An old worker hands its queue on as soon as
 * it serves nothing else at that server.
 */
export function isQueuing({ lb, server, worker, queued }: Connection): boolean {
  if (!queued || worker === lb.generation) return queued;
  return [...lb.connections].some((one) => one.server === server && one.worker === worker && !one.queued);
}

/** A simulated HAProxy with all the nodes of the pool, and its workers. */
export interface SimLb {
  /** The way to it. */
  readonly line: Line;
  readonly name: string;
  readonly servers: LbServer[];
  readonly connections: Set<Connection>;
  /** It only polls: it shows and counts nothing. */
  readonly polls: boolean;
  /** The answers to a poller, by server, as long as its sidecar lives. */
  readonly told: Map<string, Admin>;
  pid: number;
  bornAt: number;
  /** It has the pid of the worker before it, and was born so soon after it that its uptime alone does not tell them apart. */
  isTwin: boolean;
  /** How many workers there have been: the identity that a pid alone is not. */
  generation: number;
  /** Usable servers of the backend that are no nodes of this world; null = unknown. */
  others: number | null;
  /** Since when `others` is what it is. */
  othersSince: number;
  /** False: its answer has no numbers. */
  telling: boolean;
  /** It refuses what changes anything. */
  denies: boolean;
  /** A user with an old cookie begins a session in the moment in which our next MAINT takes the place of DRAIN. */
  slips: boolean;
  /** It has a master socket: connections of old workers are in its numbers. */
  hasMaster: boolean;
  /** False: its master does not answer for the moment. */
  masterAnswers: boolean;
  reload(keepsState: boolean): void;
  /** All workers end. `samePid`, as in a container; the states are those of `snapshot`, or forgotten. */
  restart(samePid: boolean, keepsState: boolean): void;
  /** Writes the server-state file. */
  snapshot(): void;
  set(server: string, admin: Admin, by: LbServer['by']): void;
  weigh(server: string, weight: number, by: LbServer['by']): void;
  server(name: string): LbServer;
  /** Servers that could take new users now, in that backend, besides those of `node`. */
  usableOthers(server: string): number | null;
  look(servers: readonly string[], scope?: LookScope): Look;
  survey(servers: readonly string[], scope?: SurveyScope): Survey;
}

export function siblingOf({ name, admin, up }: LbServer): Sibling {
  const usable = up && admin === 'ready';
  const couldServe = up && admin === 'drain';
  return { name, role: 'active', admin, forced: admin, usable, couldServe, by: null };
}

export function isUsable(server: LbServer): boolean {
  return server.listed && server.up && shown(server).admin === 'ready' && !server.absent;
}

/** MAINT hides DRAIN, DRAIN hides READY, as at the real one; a server that is not there shows as MAINT. */
export function shown({
  admin,
  origin,
  over,
  absent,
}: LbServer): Pick<ServerView, 'admin' | 'origin' | 'over'> {
  if (absent) return { admin: 'maint', origin: 'none' };
  const rank = { ready: 0, drain: 1, maint: 2 };
  if (!over || rank[over.admin] <= rank[admin]) return { admin, origin };
  const from = over.by === 'resolution' ? 'config' : 'inherited';
  return { admin: over.admin, origin: from, over: { by: over.by, forced: admin } };
}

/** A worker that was replaced ends its last connections after so long (`hard-stop-after`). */
export const HARD_STOP_MS = 15_000;
