import type { Info } from '../haproxy/replies/show-info.ts';

/** The least age of a worker whose resync by peers is complete, so that it can hand its table on (BEHAVIOUR.md#stick-tables: at 0.5 s it could not, at 5 s it could). */
const MIN_RESYNC_AGE_MS = 10_000;
/**
 * The longest time between our last poll of a worker and the start of the next for which no other worker can have
 * been in between.
 */
const GAP_MS = 30_000;
/** A resync that has not come by now will not come (HAProxy gives up after 5 s without it). */
const RESYNC_TIMEOUT_S = 60;

interface TableWorker {
  readonly pid: number;
  readonly place: number | string;
  readonly born: number;
  /** Since when its entries are complete. */
  readonly since: number;
  readonly seen: number;
  readonly uptimeSeconds: number;
  /** The worker whose table it may have got; null once that is settled. */
  readonly before: TableWorker | null;
}

/**
 * Since when one HAProxy's table is complete. It begins empty with each worker, unless peers hand it on, and a lost
 * entry looks like no user: a table counts once it is older than its entries can be.
 */
export interface TableCompleteness {
  /**
   * @param place what the entries that are meant are found by, besides names. Peers hand on numbers as they were, so
   *   where a reload gives the server another one, those of before it are not found any more
   * @param now monotonic milliseconds
   * @param resynced whether this worker got everything from the one before it
   * @returns since when, in monotonic milliseconds
   */
  completeSince(
    info: Info,
    place: number | string,
    now: number,
    resynced: () => Promise<boolean>,
  ): Promise<number>;
}

export function createTableCompleteness(): TableCompleteness {
  let worker: TableWorker | null = null;
  return {
    async completeSince(info, place, now, resynced) {
      let current: TableWorker = isSame(worker, info)
        ? { ...worker, seen: now, uptimeSeconds: info.uptimeSeconds }
        : newWorker(info, place, now, worker);
      // The resync may still be under way: asked again until it is over.
      if (current.before !== null && (await resynced())) {
        current = { ...current, since: current.before.since, before: null };
      } else if (info.uptimeSeconds > RESYNC_TIMEOUT_S) current = { ...current, before: null };
      worker = current;
      return current.since;
    },
  };
}

/** In a container each process has the same pid, but none begins old. */
function isSame(worker: TableWorker | null, { pid, uptimeSeconds }: Info): worker is TableWorker {
  return worker !== null && worker.pid === pid && uptimeSeconds >= worker.uptimeSeconds;
}

function newWorker(
  { pid, uptimeSeconds }: Info,
  place: number | string,
  now: number,
  last: TableWorker | null,
): TableWorker {
  const born = now - uptimeSeconds * 1_000;
  // Only what is needed of the worker before: else the chain of all workers would grow for ever.
  const before =
    last !== null &&
    last.place === place &&
    last.seen - last.born >= MIN_RESYNC_AGE_MS &&
    born - last.seen <= GAP_MS
      ? { ...last, before: null }
      : null;
  return { pid, place, born, since: born, seen: now, uptimeSeconds, before };
}
