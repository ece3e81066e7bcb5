import type { RequestBody } from '../../../agent/control/protocol.ts';
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
  /** Sections of the configuration that it needs besides. */
  readonly sections: Readonly<Record<string, unknown>>;
}

const TIMES = { timeout: '30s' };
const stop: RequestBody = { operation: 'stop', ...TIMES };
const ready: RequestBody = { operation: 'ready', ...TIMES };
const hold: RequestBody = { operation: 'hold', reason: 'crash campaign' };
const release: RequestBody = { operation: 'release' };

const usual = { before: null, stops: 0, sections: {} } as const;
const OUT = /^MAINT/;
const IN = /^UP/;

const counts = (exchange: number, write: number): PointCounts => ({ exchange, write });

export const VERBS = {
  drain: {
    ...usual,
    counts: counts(22, 7),
    body: { operation: 'drain', ...TIMES },
    phase: 'drained',
    status: OUT,
  },
  stop: { ...usual, counts: counts(28, 8), body: stop, phase: 'stopped', status: OUT, stops: 1 },
  ready: { ...usual, counts: counts(24, 8), before: stop, body: ready, phase: 'serving', status: IN },
  restart: {
    ...usual,
    counts: counts(42, 13),
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
    sections: { return: { warmUp: '1s' } },
  },
} as const satisfies Readonly<Record<string, Verb>>;

export type VerbName = keyof typeof VERBS;
export const VERB_NAMES = Object.keys(VERBS) as VerbName[];

/** What brings a node back to where no operation has begun; null = nothing is to be done. */
export function wayBack(phase: Phase, isHeld: boolean): RequestBody | null {
  if (isHeld) return release;
  return phase === 'serving' || phase === 'unhealthy' ? null : ready;
}
