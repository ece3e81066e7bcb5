import type { StickTableSourceConfig } from '../config/source-config.ts';
import type { Entries } from '../haproxy/replies/table-entries.ts';

/** Of a table whose `expire` is not written down: no entry seen within half its life can live longer than this. */
const LIVES_SEEN = 2;

/** The lifetime of entries in a stick table of one HAProxy, by its entries and by the configuration. */
export interface TableMemory {
  /**
   * @param entries what it holds now; `count` is ours
   * @param knownMs for how long what it holds has been complete
   * @returns why the count is not to be believed, and the next step; null when it is
   */
  doubt(
    entries: Pick<Entries, 'count' | 'total' | 'longestOfAllMs'>,
    knownMs: number,
  ): { readonly why: string; readonly next: string } | null;
}

export function createTableMemory({ table, expireMs }: StickTableSourceConfig): TableMemory {
  let longestMs = 0;
  return {
    doubt({ count, total, longestOfAllMs }, knownMs) {
      longestMs = Math.max(longestMs, longestOfAllMs);
      const isEndless = total > 0 && longestMs === 0;
      if (isEndless && (count > 0 || expireMs === null)) return noExpiry(table, count);
      const lifeMs = expireMs === null ? longestMs * LIVES_SEEN : Math.max(expireMs, longestMs);
      if (lifeMs === 0) {
        return {
          why: `the stick table ${table} is empty, and the lifetime of its entries is unknown`,
          next: 'write `expire` as this `stick-table` has it in HAProxy',
        };
      }
      if (knownMs >= lifeMs) return null;
      return {
        why:
          `the stick table ${table} has the users of the last ${seconds(knownMs)} s and remembers them for ` +
          `${seconds(lifeMs)} s: a user who came before a reload or restart is not in it (${count} are)`,
        next: 'wait, or give the table `peers` so that it outlives a reload',
      };
    },
  };
}

/** Its entries end only when newer ones push them out (`exp=0`: seen on 2.6.12, 3.0.11 and 3.2.26). */
function noExpiry(table: string, count: number): { readonly why: string; readonly next: string } {
  const what =
    count > 0
      ? `${count === 1 ? 'its 1 entry of this node never ends' : `its ${count} entries of this node never end`}, also those of users who have logged out`
      : 'a user who came before a reload or restart is never in it again';
  return {
    why: `the stick table ${table} has no \`expire\`: ${what}`,
    next: 'give this `stick-table` an `expire` in HAProxy, or count by another source (http, tomcat, command)',
  };
}

function seconds(ms: number): number {
  return Math.round(ms / 1_000);
}
