import type { ServerName } from '../../haproxy/names.ts';
import type { StatRow } from '../../haproxy/replies/show-stat.ts';
import type { Capacity, Role } from '../../lifecycle/model/observation.ts';
import { isUsable } from './related-servers.ts';

/** How many other servers are usable, by one row of each backend. Pure. */

/** One of our servers, with the BACKEND row that came in the same answer; null = none came that could be read. */
export interface OwnRow {
  readonly name: ServerName;
  readonly row: StatRow;
  readonly backend: StatRow | null;
}

/**
 * The BACKEND row counts in `act` and `bck` the servers that take new users, ours among them as long as they do: one in
 * DRAIN, in MAINT, DOWN or of weight 0 is not counted (BEHAVIOUR.md#capacity; measured on 2.2.9, 2.6.12, 3.0.11 and 3.2.26).
 * @param rows all servers of this node that HAProxy has, of one worker
 */
export function capacityOf(rows: readonly OwnRow[]): Capacity[] {
  return rows.map(({ name, row }) => {
    const here = rows.filter((one) => one.name.backend === name.backend);
    const active = othersOf(here, 'active');
    const backup = othersOf(here, 'backup');
    const role = roleOf(row);
    const full = `${name.backend}/${name.server}`;
    switch (role) {
      case 'active':
        return { name: full, role, usableOthers: active, usableBackups: backup };
      case 'backup': {
        const both = active === null || backup === null ? null : active + backup;
        return { name: full, role, usableOthers: both, usableBackups: 0 };
      }
      case null:
        return { name: full, role, usableOthers: null, usableBackups: null };
      default:
        return role satisfies never;
    }
  });
}

/**
 * @param here our servers of one backend. Several come in several answers: where their rows differ, the smallest number
 *   is the one that promises nothing
 * @returns null = unknown
 */
function othersOf(here: readonly OwnRow[], role: Role): number | null {
  const counts = here.map(({ backend }) => backend?.count(role === 'active' ? 'act' : 'bck') ?? null);
  if (counts.some((count) => count === null)) return null;
  const mine = here.filter(({ row }) => roleOf(row) === role && takesUsers(row)).length;
  const others = Math.min(...(counts as number[])) - mine;
  return others < 0 ? null : others;
}

function takesUsers(row: StatRow): boolean {
  return isUsable({ status: row.text('status') ?? '', weight: row.count('uweight') });
}

/** A server's own row has its role in the same columns. */
function roleOf(row: StatRow): Role | null {
  if (row.count('act') === 1) return 'active';
  return row.count('bck') === 1 ? 'backup' : null;
}
