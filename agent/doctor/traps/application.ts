import type { Examination } from '../examination.ts';
import { CLEAR, found, inside, unseen, type Sighting, type Trap } from '../trap.ts';
import { APP_GONE } from './objections.ts';

/** Traps of the application: this user cannot stop or start it, or nothing shows its health. */

function stopFails({ stop, isAppGone }: Examination): Sighting {
  if (stop === null || stop.ok) return CLEAR;
  return isAppGone ? unseen(APP_GONE) : found(stop.why);
}

function unproven({ stop }: Examination): Sighting {
  if (stop === null || !stop.ok || 'pid' in stop.value) return CLEAR;
  return found(stop.value.unproven);
}

function startFails({ start }: Examination): Sighting {
  return start === null || start.ok ? CLEAR : found(start.why);
}

function unhealthy({ probe, isAppGone }: Examination): Sighting {
  if (probe === null) return CLEAR;
  if (isAppGone) return unseen(APP_GONE);
  return inside(probe, ({ answer }) => {
    if (answer.kind === 'healthy') return CLEAR;
    return found(answer.kind === 'unhealthy' ? answer.reason : 'the application signs itself out');
  });
}

function noProbe({ config, isDirect }: Examination): Sighting {
  if (config.app.probe !== null) return CLEAR;
  return found(isDirect ? 'no --health is given' : 'app.probe is missing');
}

/** Of these systemd calls a unit started before the application has done anything (systemd.service(5)). */
const BLIND_TYPES = new Set(['simple', 'exec', 'idle']);

/** A start that returns too early; with a probe READY waits for the application. */
function blindStart({ config, appUnit }: Examination): Sighting {
  if (config.app.probe !== null || config.app.start === null || appUnit === null) return CLEAR;
  return inside(appUnit, ({ name, properties }) =>
    BLIND_TYPES.has(properties['Type'] ?? '') ? found(`${name} is of Type=${properties['Type']}`) : CLEAR,
  );
}

export const APPLICATION_TRAPS: readonly Trap[] = [
  {
    id: 'stop-fails',
    severity: 'breaks',
    consequence: 'every stop and restart is refused (70), since it cannot be carried out after the drain',
    fix: 'let this user stop it (deploy/polkit for a unit), or correct app.stop',
    fixByFlag: 'let this user stop it (deploy/polkit for a unit), or correct --stop-pid or --stop-command',
    look: stopFails,
  },
  {
    id: 'start-fails',
    severity: 'breaks',
    consequence: 'every restart is refused (70), since the node could not come back',
    fix: 'let this user start it (deploy/polkit for a unit), or correct app.start',
    ofFileOnly: true,
    look: startFails,
  },
  {
    id: 'stop-unproven',
    severity: 'costs',
    consequence: 'nothing shows that the application has ended: `restart` refuses (78), and `stop` warns',
    fix: 'write `gone: { pidFile: FILE }` or `gone: { port: PORT }` at app.stop',
    fixByFlag: 'stop it by --stop-pid, or write a file, whose app.stop has `gone`',
    look: unproven,
  },
  {
    id: 'start-means-nothing',
    severity: 'breaks',
    consequence:
      'the start returns before the application listens, and without a probe READY lets users in to errors',
    fix: 'write app.probe, or make the unit Type=notify or forking',
    ofFileOnly: true,
    look: blindStart,
  },
  {
    id: 'no-probe',
    severity: 'costs',
    consequence: 'READY cannot wait until the application is healthy: its first users may meet errors',
    fix: 'write app.probe with the page by which the application shows that it serves',
    fixByFlag: 'give `ready` the page by which the application shows that it serves, with --health',
    look: noProbe,
  },
  {
    id: 'unhealthy',
    severity: 'costs',
    consequence: 'by its own probe the application is not healthy: `ready` and `restart` would wait in vain',
    fix: 'mend the application, or correct app.probe',
    fixByFlag: 'mend the application, or correct --health',
    look: unhealthy,
  },
];
