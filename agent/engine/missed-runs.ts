import type { ScheduleConfig } from '../config/config.ts';
import type { Clock } from '../system/clock.ts';
import type { LabelledCounts } from '../system/labelled-counts.ts';
import type { Log } from '../system/log-port.ts';
import type { DueRun, DueRuns } from './due-runs.ts';

/** Runs of the calendar at whose time no sidecar ran: they are reported, and not made up for. */

export interface MissedRun {
  readonly do: ScheduleConfig['do'];
  readonly reason: string;
  readonly cron: string;
  /** When it was due, in ISO 8601. */
  readonly due: string;
}

export interface MissedRunPorts {
  readonly clock: Pick<Clock, 'wall'>;
  readonly dueRuns: Pick<DueRuns, 'of'>;
  readonly runs: LabelledCounts<{ readonly do: string; readonly outcome: string }>;
  readonly onMissed: (run: MissedRun) => void;
  readonly log: Log;
}

const MISSED =
  'a scheduled operation was missed: no sidecar ran at its time, or the one that ran was ended while the run waited; it is not made up for';

/**
 * A calendar that begins in the hour that comes twice, the first time, takes all that is due in it for the past
 * (node-cron), although it was to run the second time.
 */
const LEFT_OUT =
  'a scheduled operation is left out: the calendar was begun in the hour that comes twice, and has no run in it then; it is not made up for';

/**
 * Reports a run that was missed, or will be; of several of one entry the first.
 * @param next its next run from now on, in milliseconds since 1970
 * @returns where the entry stands now
 */
export function dueAtStart(config: ScheduleConfig, next: number, ports: MissedRunPorts): DueRun {
  const { clock, dueRuns, runs, log, onMissed } = ports;
  const known = dueRuns.of(dueName(config));
  const isOver = known !== null && known.next <= clock.wall().getTime();
  const isMissed = known !== null && (isOver || known.next < next);
  if (isMissed) {
    const { cron, do: kind, reason } = config;
    const due = new Date(known.next).toISOString();
    runs.add({ do: kind, outcome: 'missed' });
    log.warn(isOver ? MISSED : LEFT_OUT, { cron, do: kind, reason, due });
    onMissed({ do: kind, reason, cron, due });
  }
  return { next, missed: isMissed ? known.next : (known?.missed ?? null) };
}

/** As long as no run has begun since the one that was missed. */
export function alarmOf({ do: kind, reason, when }: ScheduleConfig, due: DueRun | null): string[] {
  if (due === null || due.missed === null) return [];
  const at = new Date(due.missed).toISOString();
  const next = new Date(due.next).toISOString();
  return [
    `the scheduled ${kind} of ${at} (${reason}) was missed${when === null ? '' : ' (whether it was due is not known)'}, and is not made up for: \`lastcall ${kind}\`, or wait for its next run at ${next}`,
  ];
}

/** Entries of one time and condition are distinguished by what they do. */
export function dueName(config: ScheduleConfig): string {
  return `${config.do} ${nameOf(config)}`;
}

/** Entries of one time are distinguished by their `when`. */
export function nameOf({ cron, timezone, when }: ScheduleConfig): string {
  return [cron, timezone, when && JSON.stringify(when)].filter((part) => part !== null).join(' ');
}
