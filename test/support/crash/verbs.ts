import type { RequestBody } from '../../../agent/control/protocol.ts';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Phase } from '../../../agent/lifecycle/model/api.ts';

/** How many of each a verb has: writes to disk, and exchanges with HAProxy. */
export type PointCounts = Readonly<Record<'write' | 'exchange', number>>;

/** What is asked for while the sidecar is killed, and what has to come of it. */
export interface Verb {
  /** What brings the node to where the verb begins; null = in service. */
  readonly before: RequestBody | null;
  readonly body: RequestBody;
  /** How it ends, at the sidecar (null: that depends on the users) and at HAProxy. */
  readonly phase: Phase | null;
  readonly status: RegExp;
  /** Processes of the application that it stops. */
  readonly stops: 0 | 1;
  /** More of each than it has: a campaign meets the last ones after its end, and says so where it does not. */
  readonly counts: PointCounts;
  /** Sections of the configuration that it needs besides, in that directory. */
  readonly sections: (dir: string) => Readonly<Record<string, unknown>>;
  /** It reboots the machine once. */
  readonly reboots?: true;
  /** The sidecar that is killed is that of the next boot. */
  readonly isAfterBoot?: true;
  /** A worker of before a reload has a request of the node. */
  readonly hasOldWorker?: true;
  /** What it has left in that directory, and may not leave. */
  readonly leaves?: (dir: string) => readonly string[];
}

const TIMES = { timeout: '30s' };
const stop: RequestBody = { operation: 'stop', ...TIMES };
const ready: RequestBody = { operation: 'ready', ...TIMES };
const hold: RequestBody = { operation: 'hold', reason: 'crash campaign' };
const release: RequestBody = { operation: 'release' };

const usual = { before: null, stops: 0, sections: () => ({}) } as const;
const OUT = /^MAINT/;
const IN = /^UP/;

const lockOf = (dir: string): string => join(dir, 'pool.lock');
const REBOOT = {
  body: { operation: 'reboot', ...TIMES },
  phase: 'serving',
  status: IN,
  reboots: true,
} as const;

const counts = (exchange: number, write: number): PointCounts => ({ exchange, write });

export const VERBS = {
  drain: {
    ...usual,
    counts: counts(26, 7),
    body: { operation: 'drain', ...TIMES },
    phase: 'drained',
    status: OUT,
  },
  stop: { ...usual, counts: counts(42, 8), body: stop, phase: 'stopped', status: OUT, stops: 1 },
  ready: { ...usual, counts: counts(24, 8), before: stop, body: ready, phase: 'serving', status: IN },
  restart: {
    ...usual,
    counts: counts(56, 13),
    body: { operation: 'restart', ...TIMES },
    phase: 'serving',
    status: IN,
    stops: 1,
  },
  hold: { ...usual, counts: counts(14, 4), body: hold, phase: null, status: /^DRAIN/ },
  release: { ...usual, counts: counts(12, 4), before: hold, body: release, phase: 'serving', status: IN },
  /** `ready` with a ramp: each step of it is a write of its own. */
  ramp: {
    ...usual,
    counts: counts(36, 11),
    before: stop,
    body: ready,
    phase: 'serving',
    status: IN,
    sections: () => ({ return: { warmUp: '1s' } }),
  },
  /** `stop` while an old worker has a request, which HAProxy's master is asked for. */
  oldWorker: {
    ...usual,
    counts: counts(60, 8),
    body: stop,
    phase: 'stopped',
    status: OUT,
    stops: 1,
    hasOldWorker: true,
  },
  /** `restart` in a pool whose lock is a file: each version of that is a write. */
  pooled: {
    ...usual,
    counts: counts(60, 22),
    body: { operation: 'restart', ...TIMES },
    phase: 'serving',
    status: IN,
    stops: 1,
    sections: (dir) => ({ pool: { name: 'app' }, lock: { file: lockOf(dir) } }),
    leaves: (dir) => claimsIn(lockOf(dir)),
  },
  /** The way out of a `reboot`. */
  reboot: { ...usual, ...REBOOT, counts: counts(42, 10), stops: 1 },
  /** The way back of the sidecar that finds itself in another boot. */
  boot: { ...usual, ...REBOOT, counts: counts(24, 10), stops: 1, isAfterBoot: true },
} as const satisfies Readonly<Record<string, Verb>>;

export type VerbName = keyof typeof VERBS;
export const VERB_NAMES = Object.keys(VERBS) as VerbName[];

/** What brings a node back to where no operation has begun; null = nothing is to be done. */
export function wayBack(phase: Phase, isHeld: boolean): RequestBody | null {
  if (isHeld) return release;
  return phase === 'serving' || phase === 'unhealthy' ? null : ready;
}

/** What the latest version of a lock by a file holds (agent/fleet/versions.ts). */
function claimsIn(lock: string): readonly string[] {
  if (!existsSync(lock)) return [];
  const [latest] = readdirSync(lock)
    .filter((name) => /^\d+$/.test(name))
    .toSorted((one, other) => Number(other) - Number(one));
  if (latest === undefined) return [];
  const { holders, queue } = JSON.parse(readFileSync(join(lock, latest), 'utf8')) as Record<
    string,
    unknown[]
  >;
  const left = [...(holders ?? []), ...(queue ?? [])];
  return left.length === 0 ? [] : [`its lock still holds ${JSON.stringify(left)}`];
}
