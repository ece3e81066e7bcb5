import type { Examination } from '../examination.ts';
import { CLEAR, found, inside, together, type Sighting, type Trap } from '../trap.ts';

/** What a reload of HAProxy forgets (BEHAVIOUR.md#reload). */

function forgetful({ haproxies, config }: Examination): Sighting {
  if (config.drain.gate !== null) return CLEAR;
  return found(
    ...haproxies.flatMap(({ config: { address, stateFile }, noDump }) => {
      if (stateFile === null) return `${address}: no server-state file is named`;
      return noDump === null ? [] : `${address}: ${noDump}`;
    }),
  );
}

function lostTables({ haproxies }: Examination): Sighting {
  return together(
    haproxies.map(({ tables, config }) =>
      inside(tables, (all) =>
        found(...all.filter(({ hasPeers }) => !hasPeers).map(({ name }) => `${config.address}: ${name}`)),
      ),
    ),
  );
}

export const RELOAD_TRAPS: readonly Trap[] = [
  {
    id: 'table-peers',
    severity: 'breaks',
    consequence:
      'each reload of HAProxy empties this stick table: users lose their node, and are not counted meanwhile',
    fix: 'write a `peers` section with this HAProxy alone, and `peers NAME` at the stick-table',
    look: lostTables,
  },
  {
    id: 'no-state-file',
    severity: 'costs',
    consequence:
      'a reload forgets DRAIN and MAINT until the next look: between the last look and the stop it lets new users in',
    fix: 'reload by haproxy/reload.sh and write its file as `stateFile`, or write drain.gate',
    fixByFlag: 'reload by haproxy/reload.sh and give its file to `stop` with --state-file',
    look: forgetful,
  },
];
