import type { Examination, ServerExamined, UnitExamined } from '../examination.ts';
import { CLEAR, found, inside, unseen, type Sighting, type Trap } from '../trap.ts';
import { APP_GONE } from './objections.ts';

/** Can the application be stopped and started by this user, and is it seen how it is? */

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

function noProbe({ config }: Examination): Sighting {
  return config.app.probe === null ? found('app.probe is missing') : CLEAR;
}

/** Of these systemd calls a unit started before the application has done anything (systemd.service(5)). */
const BLIND_TYPES = new Set(['simple', 'exec', 'idle']);

/** With a probe READY waits for it. */
function blindStart({ config, appUnit }: Examination): Sighting {
  if (config.app.probe !== null || config.app.start === null || appUnit === null) return CLEAR;
  return inside(appUnit, ({ name, properties }) =>
    BLIND_TYPES.has(properties['Type'] ?? '') ? found(`${name} is of Type=${properties['Type']}`) : CLEAR,
  );
}

/** HAProxy's verdict, beside our own. */
function unchecked({ haproxies }: Examination): Sighting {
  const out = collect(haproxies, (one) =>
    isUnchecked(one) && isShut(one) ? 'is in MAINT, where it is not checked' : null,
  );
  const bare = collect(haproxies, (one) => (isUnchecked(one) && !isShut(one) ? 'has no health check' : null));
  return { found: bare.found, unseen: [...bare.unseen, ...out.found] };
}

function isUnchecked({ checkStatus }: ServerExamined): boolean {
  return checkStatus === '';
}

/** HAProxy pauses the check there, and shows no result where there was none before. */
function isShut({ status }: ServerExamined): boolean {
  return status.startsWith('MAINT');
}

function shallowCheck({ haproxies, config }: Examination): Sighting {
  if (config.app.probe?.how.kind === 'tcp') return CLEAR;
  return collect(haproxies, ({ checkStatus }) =>
    /\bL4OK\b/.test(checkStatus) ? 'is checked by a connection alone' : null,
  );
}

function collect(
  haproxies: Examination['haproxies'],
  say: (server: ServerExamined) => string | null,
): Sighting {
  const all = haproxies.map(({ servers, config }) =>
    inside(servers, (list) =>
      found(
        ...list.flatMap((server) => {
          const said = say(server);
          return said === null ? [] : [`${config.address}: ${server.name} ${said}`];
        }),
      ),
    ),
  );
  return { found: all.flatMap((one) => one.found), unseen: all.flatMap((one) => one.unseen) };
}

/** `1min 30s` as systemctl shows a time, in milliseconds; null for `infinity` and any other text. */
export function systemdMs(text = ''): number | null {
  const units: Readonly<Record<string, number>> = {
    h: 3_600_000,
    min: 60_000,
    s: 1_000,
    ms: 1,
    d: 86_400_000,
  };
  const parts = text.split(' ').map((part) => /^(\d+)(d|h|min|s|ms)$/.exec(part));
  if (text === '' || parts.includes(null)) return null;
  return parts.reduce((sum, part) => sum + Number(part?.[1]) * (units[part?.[2] ?? ''] ?? 0), 0);
}

/** `ExecStop=` of the unit drains by lastcall. */
function drains({ properties }: UnitExamined): boolean {
  return /\blastcall (drain|stop)\b/.test(properties['ExecStop'] ?? '');
}

/** `--timeout 30m` in it, in milliseconds; the configuration's own without one. */
function drainMs({ properties }: UnitExamined, timeoutMs: number): number {
  const [, digits, unit] = /--timeout[ =](\d+)(s|m|h)\b/.exec(properties['ExecStop'] ?? '') ?? [];
  const units: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000 };
  return digits === undefined ? timeoutMs : Number(digits) * (units[unit ?? ''] ?? 0);
}

function noDropIn({ appUnit }: Examination): Sighting {
  if (appUnit === null) return CLEAR;
  return inside(appUnit, (unit) =>
    drains(unit) ? CLEAR : found(`${unit.name} has no ExecStop= that drains`),
  );
}

function shortGrace({ appUnit, config }: Examination): Sighting {
  if (appUnit === null) return CLEAR;
  return inside(appUnit, (unit) => {
    const grace = systemdMs(unit.properties['TimeoutStopUSec']);
    if (!drains(unit) || grace === null) return CLEAR;
    const drain = drainMs(unit, config.drain.timeoutMs);
    if (grace > drain) return CLEAR;
    return found(
      `${unit.name}: TimeoutStopSec=${unit.properties['TimeoutStopUSec']}, and the drain may take ${drain / 1_000} s`,
    );
  });
}

/** Our own patience with the stop, against that of the unit. */
function impatient({ appUnit, config }: Examination): Sighting {
  const { stop } = config.app;
  if (appUnit === null || stop?.kind !== 'systemd') return CLEAR;
  return inside(appUnit, (unit) => {
    const grace = systemdMs(unit.properties['TimeoutStopUSec']);
    // With the drop-in the grace holds the drain, which is over by the time of our stop.
    if (drains(unit) || grace === null || stop.timeoutMs > grace) return CLEAR;
    return found(
      `app.stop waits ${stop.timeoutMs / 1_000} s, ${unit.name} has TimeoutStopSec=${unit.properties['TimeoutStopUSec']}`,
    );
  });
}

export const APPLICATION_TRAPS: readonly Trap[] = [
  {
    id: 'stop-fails',
    severity: 'breaks',
    consequence: 'every stop and restart is refused (70), since it cannot be carried out after the drain',
    fix: 'let this user stop it (deploy/polkit for a unit), or correct app.stop',
    look: stopFails,
  },
  {
    id: 'start-fails',
    severity: 'breaks',
    consequence: 'every restart is refused (70), since the node could not come back',
    fix: 'let this user start it (deploy/polkit for a unit), or correct app.start',
    look: startFails,
  },
  {
    id: 'stop-unproven',
    severity: 'costs',
    consequence: 'nothing shows that the application has ended: `restart` refuses (78), and `stop` warns',
    fix: 'write `gone: { pidFile: FILE }` or `gone: { port: PORT }` at app.stop',
    look: unproven,
  },
  {
    id: 'start-means-nothing',
    severity: 'breaks',
    consequence:
      'the start returns before the application listens, and without a probe READY lets users in to errors',
    fix: 'write app.probe, or make the unit Type=notify or forking',
    look: blindStart,
  },
  {
    id: 'no-probe',
    severity: 'costs',
    consequence: 'READY cannot wait until the application is healthy: its first users may meet errors',
    fix: 'write app.probe with the page by which the application shows that it serves',
    look: noProbe,
  },
  {
    id: 'unhealthy',
    severity: 'costs',
    consequence: 'by its own probe the application is not healthy: `ready` and `restart` would wait in vain',
    fix: 'mend the application, or correct app.probe',
    look: unhealthy,
  },
  {
    id: 'no-check',
    severity: 'costs',
    consequence: 'HAProxy does not see that the application is down, and sends users to it',
    fix: 'write `check` on the server line, and `option httpchk` in the backend',
    look: unchecked,
  },
  {
    id: 'connect-check',
    severity: 'costs',
    consequence: 'an open port is UP for HAProxy, long before a slow application can answer',
    fix: 'write `option httpchk` with the application’s health page in the backend',
    look: shallowCheck,
  },
  {
    id: 'no-drop-in',
    severity: 'breaks',
    consequence:
      '`systemctl stop`, an upgrade of its package and a shutdown end the application with its users',
    fix: 'install deploy/systemd/app.service.d/10-lastcall.conf as a drop-in of the unit',
    look: noDropIn,
  },
  {
    id: 'unit-timeout',
    severity: 'breaks',
    consequence: 'systemd kills the drain, and then the application, before the last user is gone',
    fix: 'make TimeoutStopSec= of the drop-in longer than its --timeout',
    look: shortGrace,
  },
  {
    id: 'stop-timeout',
    severity: 'costs',
    consequence: 'lastcall gives the stop up (70) while systemd still waits for the application',
    fix: 'make app.stop.systemd’s timeout longer than TimeoutStopSec= of the unit',
    look: impatient,
  },
];
