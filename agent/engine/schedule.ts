import { createTask, type ScheduledTask, type TaskContext, type TaskOptions } from 'node-cron';
import type { ScheduleConfig } from '../config/config.ts';
import { LastcallError, messageOf } from '../system/error.ts';
import type { Log } from '../system/log-port.ts';

/** The calendar: operations at a time of day. Everything shorter runs on the engine's own clock. */
export interface Schedule {
  /** Begins to keep the calendar. */
  start(): void;
  /** No run begins after it; one that is going on is the engine's. */
  close(): void;
}

export interface SchedulePorts {
  /** Submits an operation; resolves when it has ended, so that an entry never overlaps itself. */
  submit(kind: ScheduleConfig['do'], reason: string): Promise<void>;
  readonly log: Log;
}

/**
 * A calendar of `entries`, not yet started.
 * @throws LastcallError `config` for an expression or a time zone that does not exist
 */
export function createSchedule(entries: readonly ScheduleConfig[], ports: SchedulePorts): Schedule {
  const tasks = entries.map((entry) => createEntry(entry, ports));
  return {
    start: () => {
      for (const task of tasks) void task.start();
    },
    close: () => {
      for (const task of tasks) void task.destroy();
    },
  };
}

function createEntry(entry: ScheduleConfig, ports: SchedulePorts): ScheduledTask {
  const { log } = ports;
  const about = { cron: entry.cron, do: entry.do, reason: entry.reason };
  const run = async (): Promise<void> => {
    log.info('a scheduled operation begins', about);
    try {
      await ports.submit(entry.do, entry.reason);
    } catch (error) {
      log.error('a scheduled operation failed', { ...about, error });
    }
  };
  const task = makeTask(entry, run, log);
  const when = ({ dateLocalIso }: TaskContext): object => ({ ...about, at: dateLocalIso });
  task.on('execution:missed', (context) => {
    log.warn('a scheduled operation was missed: this process was held up, or the machine slept', {
      ...when(context),
    });
  });
  task.on('execution:overlap', (context) => {
    log.warn('a scheduled operation was left out: the one before it is still going on', { ...when(context) });
  });
  return task;
}

function makeTask(entry: ScheduleConfig, run: () => Promise<void>, log: Log): ScheduledTask {
  const options: TaskOptions = { noOverlap: true, logger: quiet(log) };
  if (entry.timezone !== null) options.timezone = entry.timezone;
  try {
    const task = createTask(entry.cron, run, options);
    task.getNextRuns(1); // Asks for the zone, which is otherwise looked up only when the task starts.
    return task;
  } catch (error) {
    throw new LastcallError('config', `schedule: ${messageOf(error)}`, {
      target: `schedule "${entry.cron}"${entry.timezone === null ? '' : ` ${entry.timezone}`}`,
      next: 'write five cron fields (minute hour day month weekday) and a time zone such as Europe/Zurich',
      cause: error,
    });
  }
}

/** node-cron writes to the console by itself; what matters of it is logged above, the rest is for debugging. */
function quiet(log: Log): NonNullable<TaskOptions['logger']> {
  const say = (message: unknown): void => log.debug('node-cron', { says: messageOf(message) });
  return { info: say, warn: say, error: say, debug: say };
}
