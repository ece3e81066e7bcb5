/**
 * How large the whole numbers of the configuration may be, and why no larger. The schema, the descriptions for editors and the
 * command line take them from here. Light: the command line reads it without the parser.
 */
export interface NumberBound {
  readonly least: number;
  readonly most: number;
  /** Why a larger number is of no use, as the end of a sentence. */
  readonly why: string;
}

/** Of a row of probes or polls. */
const ROW = 'a longer row of equal answers decides too late';

/** By the path of the key, as KEY_TEXTS has it. */
export const BOUNDS = {
  'app.probe.rise': { least: 1, most: 100, why: ROW },
  'app.probe.fall': { least: 1, most: 100, why: ROW },
  'balancers[].health.rise': { least: 1, most: 100, why: ROW },
  'balancers[].health.fall': { least: 1, most: 100, why: ROW },
  'drain.keep': { least: 0, most: 10_000, why: 'no backend has so many servers' },
  // Two rounds in a second (policy.ts, FORCE_CLOSE_EVERY_MS) of 1,000 each (close-connections.ts, MOST).
  'drain.pace': { least: 1, most: 2_000, why: 'HAProxy is asked to close no more in a second' },
  // The guards of other nodes refuse a larger number (fleet/entry-guards.ts).
  'pool.slots': { least: 1, most: 1_000, why: 'no pool has so many nodes' },
  'pool.brake': { least: 1, most: 1_000, why: 'no pool has so many nodes' },
} as const satisfies Readonly<Record<string, NumberBound>>;
