import type { Examination } from './examination.ts';
import type { Diagnosis, LiveProof, TrapFound, TrapUnseen } from './diagnosis.ts';
import { TRAPS } from './table.ts';
import type { Severity, Trap } from './trap.ts';

const PAGE = 'deploy/doctor.md';
const ORDER: Readonly<Record<Severity, number>> = { breaks: 0, costs: 1, note: 2 };

/**
 * Looks for every trap of the table.
 * @param live what a trial drain has shown; null = none was asked for
 * @returns the worst first, in the order of the table
 */
export function diagnose(examined: Examination, live: LiveProof | null): Diagnosis {
  const { config, user, isDirect } = examined;
  const possible = TRAPS.filter(({ ofFileOnly }) => !isDirect || ofFileOnly !== true);
  const seen = possible.map((trap) => ({ trap, sighting: trap.look(examined) }));
  const traps = seen
    .flatMap(({ trap, sighting: { found } }): TrapFound[] =>
      found.length === 0 ? [] : [trapFound(trap, found, isDirect)],
    )
    .toSorted((one, other) => ORDER[one.severity] - ORDER[other.severity]);
  const reasons = new Map<string, string[]>();
  for (const { trap, sighting } of seen)
    for (const why of sighting.unseen) reasons.set(why, [...(reasons.get(why) ?? []), trap.id]);
  const unseen = [...reasons].map(([why, ids]): TrapUnseen => ({ why, ids }));
  const isProven = live === null || live.result === 'proven';
  const isBroken = !isProven || traps.some(({ severity }) => severity === 'breaks');
  const code = isUnreached(examined) ? 'balancer-unreachable' : isBroken ? 'failed' : 'done';
  return {
    ok: code === 'done',
    code,
    node: config.node,
    user,
    traps,
    unseen,
    looked: possible.length,
    ...(live === null ? {} : { live }),
  };
}

function trapFound(
  { id, severity, consequence, fix, fixByFlag }: Trap,
  found: readonly string[],
  isDirect: boolean,
): TrapFound {
  const cure = isDirect ? (fixByFlag ?? fix) : fix;
  return { id, severity, found, consequence, fix: cure, page: `${PAGE}#${id}` };
}

/** No HAProxy of the configuration has answered. One that only polls us cannot be asked. */
function isUnreached({ haproxies }: Examination): boolean {
  return haproxies.length > 0 && haproxies.every(({ about }) => !about.ok);
}
