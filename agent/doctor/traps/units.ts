import { parseDuration } from '../../formats/duration.ts';
import type { Examination, UnitExamined } from '../examination.ts';
import { CLEAR, found, inside, unseen, type Sighting, type Trap } from '../trap.ts';

/** Does the unit of the application drain before it stops, and does systemd give it the time? */

/** In milliseconds; a month and a year as systemd.time(7) has them. */
const UNITS: Readonly<Record<string, number>> = {
  y: 31_557_600_000,
  month: 2_629_800_000,
  w: 604_800_000,
  d: 86_400_000,
  h: 3_600_000,
  min: 60_000,
  s: 1_000,
  ms: 1,
  us: 0.001,
};

/** `1min 30s` as systemctl shows a time, in milliseconds; Infinity for `infinity`, null for any other text. */
export function systemdMs(text = ''): number | null {
  if (text === 'infinity') return Infinity;
  const parts = text.split(' ').map((part) => /^(\d+)([a-z]+)$/.exec(part));
  const each = parts.map((part) => Number(part?.[1]) * (UNITS[part?.[2] ?? ''] ?? NaN));
  const sum = each.reduce((all, one) => all + one, 0);
  return Number.isNaN(sum) ? null : sum;
}

/** The command in `ExecStop=` of the unit by which lastcall drains; null without one. */
function drainIn({ properties }: UnitExamined): string | null {
  const commands = (properties['ExecStop'] ?? '').match(/\blastcall\b[^;|&]*/g) ?? [];
  return commands.find((command) => /\s(drain|stop)(?![\w./-])/.test(command)) ?? null;
}

/** `--timeout 1h30m` in it, in milliseconds; the configuration's own without one; null for `--timeout $LONG`. */
function timeoutOf(command: string, timeoutMs: number): number | null {
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

/** `lastcall run -- COMMAND` in `ExecStart=`: SIGTERM to this unit is a stop, which drains first. */
function isSupervising({ properties }: UnitExamined): boolean {
  return /\blastcall\b[^;]*? run [^;]*?-- /.test(properties['ExecStart'] ?? '');
}

function shortGrace(examined: Examination): Sighting {
  const { appUnit, sidecarUnit, config } = examined;
  const { timeoutMs } = config.drain;
  if (sidecarUnit.ok && isSupervising(sidecarUnit.value)) return graceAgainst(sidecarUnit.value, timeoutMs);
  if (appUnit === null) return noUnit(examined);
  return inside(appUnit, (unit) => {
    const command = drainIn(unit);
    if (command === null) return CLEAR;
    const drain = timeoutOf(command, timeoutMs);
    if (drain === null) return unseen(`${unit.name}: the --timeout of its drain is not readable`);
    return graceAgainst(unit, drain);
  });
}

/** @param drainMs as long as the drain in its stop may take, in milliseconds */
function graceAgainst({ name, properties }: UnitExamined, drainMs: number): Sighting {
  const shown = properties['TimeoutStopUSec'] ?? '';
  if (shown === '') return CLEAR;
  const grace = systemdMs(shown);
  if (grace === null) return unseen(`${name}: TimeoutStopSec=${shown} is not readable`);
  if (grace > drainMs) return CLEAR;
  return found(`${name}: TimeoutStopSec=${shown}, and the drain may take ${drainMs / 1_000} s`);
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
    fix: 'make TimeoutStopSec= of the drop-in longer than its --timeout (under `run -- COMMAND`: of the sidecar’s unit, than drain.timeout)',
    fixByFlag: 'make TimeoutStopSec= of the drop-in longer than its --timeout',
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
