import type { Receipt } from '../model/api.ts';
import type { Counters } from '../model/observation.ts';

/** Sums and differences of HAProxy's error counters. */

export const NO_COUNTERS: Counters = {
  connectionErrors: 0,
  responseErrors: 0,
  redispatches: 0,
  clientAborts: 0,
  http5xx: 0,
};
const UNKNOWN: Receipt = {
  connectionErrors: null,
  responseErrors: null,
  redispatches: null,
  clientAborts: null,
  http5xx: null,
};

/** What was added since. */
export function minus(now: Counters, before: Counters): Counters {
  return {
    connectionErrors: now.connectionErrors - before.connectionErrors,
    responseErrors: now.responseErrors - before.responseErrors,
    redispatches: now.redispatches - before.redispatches,
    clientAborts: now.clientAborts - before.clientAborts,
    http5xx: now.http5xx - before.http5xx,
  };
}

/** Of all servers together; unknown where one of them is. */
export function total(deltas: readonly (Counters | null)[]): Receipt {
  const known = deltas.filter((delta) => delta !== null);
  if (known.length === 0 || known.length < deltas.length) return UNKNOWN;
  return known.reduce((sum, delta) => minus(sum, minus(NO_COUNTERS, delta)));
}
