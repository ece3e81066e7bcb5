import type { Examination, ServerExamined } from '../examination.ts';
import { found, inside, together, CLEAR, type Sighting, type Trap } from '../trap.ts';

/** Can the share of new users rise in steps (`return.warmUp`)? BEHAVIOUR.md#weights. */

/** Fewer steps than this are no ramp. */
const LEAST_WEIGHT = 10;

function ramped(examined: Examination, say: (server: ServerExamined) => string | null): Sighting {
  if (examined.config.return.warmUpMs === 0) return CLEAR;
  return together(
    examined.haproxies.map(({ servers, config }) =>
      inside(servers, (list) =>
        found(
          ...list.flatMap((server) => {
            const problem = say(server);
            return problem === null ? [] : [`${config.address}: ${server.name} ${problem}`];
          }),
        ),
      ),
    ),
  );
}

function light({ weight }: ServerExamined): string | null {
  return weight !== null && weight < LEAST_WEIGHT ? `has weight ${weight}` : null;
}

function stiff({ algorithm }: ServerExamined): string | null {
  return algorithm === 'static-rr' ? 'is balanced by static-rr' : null;
}

export const WEIGHT_TRAPS: readonly Trap[] = [
  {
    id: 'ramp-weight',
    severity: 'costs',
    consequence: 'a weight this small has no steps below it: return.warmUp gives the whole share at once',
    fix: 'write `weight 100` for all servers of the backend',
    ofFileOnly: true,
    look: (examined) => ramped(examined, light),
  },
  {
    id: 'ramp-static',
    severity: 'costs',
    consequence: 'this balancing takes no weight but the whole one: return.warmUp cannot raise it',
    fix: 'balance by roundrobin, leastconn or random, or leave return.warmUp out',
    ofFileOnly: true,
    look: (examined) => ramped(examined, stiff),
  },
];
