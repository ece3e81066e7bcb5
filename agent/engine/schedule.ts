import { createTask, type ScheduledTask, type TaskContext, type TaskOptions } from 'node-cron';
import type { ScheduleConfig } from '../config/config.ts';
import type { Condition } from '../hooks/condition.ts';
import type { Result } from '../lifecycle/model/api.ts';
import { type Clock, sleep } from '../system/clock.ts';
import { LastcallError, messageOf } from '../system/error.ts';
import type { DueRuns } from './due-runs.ts';
import { alarmOf, dueAtStart, dueName, type MissedRun, nameOf } from './missed-runs.ts';
import type { LastRuns } from './last-runs.ts';
import type { LabelledCounts } from '../system/labelled-counts.ts';
import type { Log } from '../system/log-port.ts';

/** The calendar: operations at a time of day. Everything shorter runs on the engine's own clock. */
export interface Schedule {
  /** Reports the runs that were missed while no sidecar ran, and begins to keep the calendar. None of them is made up for. */
  start(): void;
  /** An alarm for each entry whose last run was missed, until its next one begins. */
  readonly alarms: readonly string[];
  /** No run begins after it, and one that waits for its time is given up; one that is going on is the engine's. */
  close(): void;
}

/** Counts of the runs: `outcome` is a result's code, or why no operation was asked for. */
export type ScheduleCounts = LabelledCounts<{ readonly do: string; readonly outcome: string }>;

export interface SchedulePorts {
  readonly clock: Clock;
  /** From 0 to below 1, for the jitter. */
  readonly random: () => number;
  /** What an entry's `when` asks; null where it has none. */
  condition(entry: ScheduleConfig): Condition | null;
  /** Submits an operation; resolves when it has ended, so that an entry never overlaps itself. */
  submit(kind: ScheduleConfig['do'], reason: string): Promise<Pick<Result, 'ok' | 'id' | 'code' | 'message'>>;
  readonly runs: ScheduleCounts;
  /** What the runs of entries that reboot the machine are compared with. */
  readonly lastRuns: Pick<LastRuns, 'of' | 'note'>;
  readonly dueRuns: DueRuns;
  /** Called for a run at whose time no sidecar ran. */
  readonly onMissed: (run: MissedRun) => void;
  readonly log: Log;
}

/**
 * A calendar of `entries`, not yet started. A local time that the clocks leave out in spring has no run that day, and
 * one that comes twice in autumn has one run, the second time.
 * @throws LastcallError `config` for an expression or a time zone that does not exist
 */
export function createSchedule(entries: readonly ScheduleConfig[], ports: SchedulePorts): Schedule {
  const closing = new AbortController();
  const tasks = entries.map((entry) => ({ entry, task: createEntry(entry, ports, closing.signal) }));
  return {
    start() {
      const due = tasks.map(
        ({ entry, task }) => [dueName(entry), dueAtStart(entry, nextOf(task), ports)] as const,
      );
      void ports.dueRuns.reset(Object.fromEntries(due));
      for (const { task } of tasks) void task.start();
    },
    get alarms() {
      return entries.flatMap((entry) => alarmOf(entry, ports.dueRuns.of(dueName(entry))));
    },
    close() {
      closing.abort(new LastcallError('interrupted', 'this calendar is kept no more'));
      for (const { task } of tasks) void task.destroy();
    },
  };
}

/** The next run in milliseconds since 1970; that there is one was checked when the task was made. */
function nextOf(task: ScheduledTask): number {
  return Math.min(...task.getNextRuns(1).map((run) => run.getTime()));
}

/** One entry, and how it counts the outcomes of its runs. */
interface ScheduleEntry {
  readonly config: ScheduleConfig;
  readonly about: { readonly cron: string; readonly do: string; readonly reason: string };
  readonly condition: Condition | null;
  readonly count: (outcome: string) => void;
  /** Called when a run has begun, or will not begin: the next one is due. @param missed the time of the run that was missed */
  readonly settle: (missed?: number | null) => Promise<void>;
}

function createEntry(config: ScheduleConfig, ports: SchedulePorts, signal: AbortSignal): ScheduledTask {
  const { log, runs } = ports;
  /** Does a run wait for its jitter and its condition? As long as it does, it is the one that is due. */
  let isWaiting = false;
  const entry: ScheduleEntry = {
    config,
    about: { cron: config.cron, do: config.do, reason: config.reason },
    condition: ports.condition(config),
    count: (outcome) => runs.add({ do: config.do, outcome }),
    async settle(missed = null) {
      if (missed === null) isWaiting = false;
      await ports.dueRuns.keep({ [dueName(config)]: { next: nextOf(task), missed } });
    },
  };
  const begin = (context: TaskContext): Promise<void> => {
    isWaiting = true;
    return run(entry, context.date.getTime(), ports, signal);
  };
  const task = makeTask(config, begin, log);
  const when = ({ dateLocalIso }: TaskContext): object => ({ ...entry.about, at: dateLocalIso });
  task.on('execution:missed', (context) => {
    entry.count('missed');
    void entry.settle(context.date.getTime());
    log.warn('a scheduled operation was missed: this process was held up, or the machine slept', {
      ...when(context),
    });
  });
  task.on('execution:overlap', (context) => {
    entry.count('overlap');
    // No run has begun since one that was missed: the missed one stays.
    if (!isWaiting) void entry.settle(ports.dueRuns.of(dueName(config))?.missed);
    log.warn('a scheduled operation was left out: the one before it is still going on', { ...when(context) });
  });
  return task;
}

/**
 * Never throws: the outcome is in the log and in the counts.
 * @param at the time of the calendar, in milliseconds since 1970
 */
async function run(
  entry: ScheduleEntry,
  at: number,
  ports: SchedulePorts,
  signal: AbortSignal,
): Promise<void> {
  const { about, config, count, settle } = entry;
  const { log } = ports;
  if (wasBefore(entry, at, ports)) {
    count('repeated');
    await settle();
    return log.warn('a scheduled reboot is left out: this run of it was before the boot', { ...about });
  }
  try {
    if (!(await isDue(entry, ports, signal))) {
      count('not-due');
      return await settle();
    }
  } catch (error) {
    // The next calendar reports a run that was given up as missed.
    if (!signal.aborted) await settle();
    count(signal.aborted ? 'given-up' : 'failed');
    const message = signal.aborted
      ? 'a scheduled operation was given up before it began: lastcall ends, or its configuration was read again'
      : 'a scheduled operation was left out: whether it is due is unknown';
    return log.warn(message, { ...about, error });
  }
  await settle();
  log.info('a scheduled operation begins', about);
  if (config.do === 'reboot') ports.lastRuns.note(nameOf(config), at);
  try {
    const { ok, id, code, message } = await ports.submit(config.do, config.reason);
    count(code);
    if (ok) return log.info('a scheduled operation is done', { ...about, id });
    log.warn('a scheduled operation was refused or has failed', { ...about, id, code, why: message });
  } catch (error) {
    count('failed');
    log.error('a scheduled operation failed', { ...about, error });
  }
}

/** A clock that is set back by less comes to the same run again; one that is far ahead once must not end the calendar. */
const SAME_MS = 24 * 60 * 60_000;

/** One reboot for each run, whatever the condition says after the boot. */
function wasBefore({ config }: ScheduleEntry, at: number, { lastRuns }: SchedulePorts): boolean {
  const last = config.do === 'reboot' ? lastRuns.of(nameOf(config)) : null;
  return last !== null && at <= last && last - at < SAME_MS;
}

/**
 * Waits for the entry's jitter, then looks whether its condition is met.
 * @throws the signal's reason; LastcallError `failed` when the condition cannot be found out
 */
async function isDue(
  { config: { jitterMs }, about, condition }: ScheduleEntry,
  { clock, random, log }: SchedulePorts,
  signal: AbortSignal,
): Promise<boolean> {
  const waitMs = Math.floor(random() * jitterMs);
  if (waitMs > 0) {
    log.info('a scheduled operation waits for its jitter', { ...about, seconds: Math.round(waitMs / 1_000) });
    await sleep(clock, waitMs, signal);
  }
  if (condition === null) return true;
  const { isMet, why } = await condition.look(signal);
  // A command that ends as it is aborted may have succeeded.
  signal.throwIfAborted();
  if (!isMet) log.info('a scheduled operation is not due', { ...about, why });
  return isMet;
}

function makeTask(
  entry: ScheduleConfig,
  run: (context: TaskContext) => Promise<void>,
  log: Log,
): ScheduledTask {
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
