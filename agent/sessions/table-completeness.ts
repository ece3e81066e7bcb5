import type { Info } from '../haproxy/replies/show-info.ts';

/** A worker this old has learned whatever it will be taught, and can teach (BEHAVIOUR.md#stick-tables: 0.5 s could not, 5 s could). */
const GROWN_UP_MS = 10_000;
/**
 * The longest time between our last poll of a worker and the start of the next for which no other worker can have
 * been in between.
 */
const GAP_MS = 30_000;
/** A lesson that has not come by now will not come (HAProxy gives up after 5 s without it). */
const LESSON_SECONDS = 60;

interface Worker {
  readonly pid: number;
  readonly place: number | string;
  readonly born: number;
  /** Since when its entries are complete. */
  readonly since: number;
  readonly seen: number;
  readonly uptimeSeconds: number;
  /** The worker that may have taught it; null once that is settled. */
  readonly before: Worker | null;
}

/**
 * Since when one HAProxy's table is complete. It begins empty with each worker, unless peers hand it on, and a lost
 * entry looks like no user: a table counts once it is older than its entries can be.
 */
export interface Custody {
  /**
   * @param place what the entries that are meant are found by, besides names. Peers hand on numbers as they were, so
   *   where a reload gives the server another one, those of before it are not found any more
   * @param now monotonic milliseconds
   * @param taught whether this worker got everything from the one before it
   * @returns since when, in monotonic milliseconds
   */
  since(info: Info, place: number | string, now: number, taught: () => Promise<boolean>): Promise<number>;
}

export function createCustody(): Custody {
  let worker: Worker | null = null;
  return {
    async since(info, place, now, taught) {
      let current: Worker = isSame(worker, info)
        ? { ...worker, seen: now, uptimeSeconds: info.uptimeSeconds }
        : newborn(info, place, now, worker);
      // The lesson takes a moment: asked again until it is over.
      if (current.before !== null && (await taught())) {
        current = { ...current, since: current.before.since, before: null };
      } else if (info.uptimeSeconds > LESSON_SECONDS) current = { ...current, before: null };
      worker = current;
      return current.since;
    },
  };
}

/** In a container each process has the same pid, but none begins old. */
function isSame(worker: Worker | null, { pid, uptimeSeconds }: Info): worker is Worker {
  return worker !== null && worker.pid === pid && uptimeSeconds >= worker.uptimeSeconds;
}

function newborn(
  { pid, uptimeSeconds }: Info,
  place: number | string,
  now: number,
  last: Worker | null,
): Worker {
  const born = now - uptimeSeconds * 1_000;
  // Only what is needed of it: the chain of all workers ever would grow.
  const before =
    last !== null &&
    last.place === place &&
    last.seen - last.born >= GROWN_UP_MS &&
    born - last.seen <= GAP_MS
      ? { ...last, before: null }
      : null;
  return { pid, place, born, since: born, seen: now, uptimeSeconds, before };
}
