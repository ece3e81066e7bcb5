import type { ScheduleConfig } from '../../agent/config/config.ts';
import {
  createSchedule,
  type Schedule,
  type ScheduleCounts,
  type SchedulePorts,
} from '../../agent/engine/schedule.ts';
import { createDueRuns } from '../../agent/engine/due-runs.ts';
import { createLastRuns } from '../../agent/engine/last-runs.ts';
import { realClock } from '../../agent/system/clock.ts';
import { createLabelledCounts } from '../../agent/system/labelled-counts.ts';
import { memoryLog } from './memory-log.ts';

/** An entry that is due every second. */
export const everySecond: ScheduleConfig = {
  cron: '* * * * * *',
  timezone: null,
  do: 'restart',
  reason: 'weekly recycle',
  jitterMs: 0,
  when: null,
};
export const DONE = { ok: true, id: 'op1', code: 'done' as const };

let schedule: Schedule | undefined;

/** Of the schedule that began last. */
export const closeSchedule = (): void => schedule?.close();

/** A schedule that runs, with a submit that tells the test and waits for what `busy` gives it. */
export function begin(
  entry: ScheduleConfig,
  busy: () => Promise<void>,
  changes: Partial<SchedulePorts> = {},
) {
  const log = memoryLog();
  const runs: ScheduleCounts = createLabelledCounts();
  const submitted: string[] = [];
  let seen: () => void = () => undefined;
  const first = new Promise<void>((resolve) => (seen = resolve));
  schedule = createSchedule([entry], {
    clock: realClock,
    random: () => 0,
    log,
    runs,
    lastRuns: createLastRuns(),
    dueRuns: createDueRuns(),
    onMissed: () => undefined,
    condition: () => null,
    submit: async (kind, reason) => {
      submitted.push(`${kind}: ${reason}`);
      seen();
      await busy();
      return DONE;
    },
    ...changes,
  });
  schedule.start();
  /** But for the runs that were missed while this machine stood still: they may come at any time. */
  const counted = (): Record<string, number> =>
    Object.fromEntries(
      runs
        .samples()
        .filter(([{ outcome }]) => outcome !== 'missed')
        .map(([labels, count]) => [`${labels['do']} ${labels['outcome']}`, count]),
    );
  return { log, submitted, first, counted };
}
