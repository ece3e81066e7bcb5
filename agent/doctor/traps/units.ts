import { parseDuration } from '../../formats/duration.ts';
import type { Examination, UnitExamined } from '../examination.ts';
import { CLEAR, found, inside, unseen, type Sighting, type Trap } from '../trap.ts';

/** Does the unit of the application drain before it stops, and does systemd give it the time? */

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

/** The command in `ExecStop=` of the unit by which lastcall drains; null without one. */
function drainIn({ properties }: UnitExamined): string | null {
  const commands = (properties['ExecStop'] ?? '').match(/\blastcall\b[^;|&]*/g) ?? [];
  return commands.find((command) => /\s(drain|stop)(?![\w./-])/.test(command)) ?? null;
}

/** `--timeout 1h30m` in it, in milliseconds; the configuration's own without one; null for `--timeout $LONG`. */
function drainMs(command: string, timeoutMs: number): number | null {
  const [, text] = /\s--timeout[ =]["']?([^\s"']+)/.exec(command) ?? [];
  if (text === undefined) return timeoutMs;
  const duration = parseDuration(text);
  return duration.ok ? duration.ms : null;
}

/** What its own stop and a shutdown do is then not seen. */
function noUnit({ isDirect }: Examination): Sighting {
  const who = isDirect ? 'no --stop-command names a unit' : 'app.stop and app.start name no unit';
  return unseen(`${who} of systemd: what its own stop and a shutdown do, if it has one, is not seen`);
}

function noDropIn(examined: Examination): Sighting {
  const { appUnit } = examined;
  if (appUnit === null) return noUnit(examined);
  return inside(appUnit, (unit) =>
    drainIn(unit) === null ? found(`${unit.name} has no ExecStop= that drains`) : CLEAR,
  );
}

function shortGrace(examined: Examination): Sighting {
  const { appUnit, config } = examined;
  if (appUnit === null) return noUnit(examined);
  return inside(appUnit, (unit) => {
    const shown = unit.properties['TimeoutStopUSec'];
    const grace = systemdMs(shown);
    const command = drainIn(unit);
    if (command === null || grace === null) return CLEAR;
    const drain = drainMs(command, config.drain.timeoutMs);
    if (drain === null) return unseen(`${unit.name}: the --timeout of its drain is not readable`);
    if (grace > drain) return CLEAR;
    return found(`${unit.name}: TimeoutStopSec=${shown}, and the drain may take ${drain / 1_000} s`);
  });
}

/** Our own patience with the stop, against that of the unit. */
function impatient({ appUnit, config }: Examination): Sighting {
  const { stop } = config.app;
  if (appUnit === null || stop?.kind !== 'systemd') return CLEAR;
  return inside(appUnit, (unit) => {
    const grace = systemdMs(unit.properties['TimeoutStopUSec']);
    // With the drop-in the grace holds the drain, which is over by the time of our stop.
    if (drainIn(unit) !== null || grace === null || stop.timeoutMs > grace) return CLEAR;
    return found(
      `app.stop waits ${stop.timeoutMs / 1_000} s, ${unit.name} has TimeoutStopSec=${unit.properties['TimeoutStopUSec']}`,
    );
  });
}

export const UNIT_TRAPS: readonly Trap[] = [
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
    fixByFlag: 'write a file, whose app.stop.systemd has a `timeout`',
    look: impatient,
  },
];
