import { readdirSync, readFileSync } from 'node:fs';
import { errnoOf } from '../../agent/system/error.ts';

/**
 * User and system time of a process so far, of all its threads, in milliseconds: by the scheduler, in nanoseconds, where
 * `utime` and `stime` of proc(5) have ticks of 10 ms.
 */
export function processorMs(pid: number): number {
  return schedulerMs(pid, 0);
}

/** So long its threads were ready to run and had no processor, together, in milliseconds (sched-stats.rst): 0 on a quiet machine. */
export function waitedForProcessorMs(pid: number): number {
  return schedulerMs(pid, 1);
}

/** @throws Error where the process has ended */
function schedulerMs(pid: number, column: 0 | 1): number {
  const tasks = unlessMissing(() => readdirSync(`/proc/${pid}/task`));
  if (tasks === null) throw new Error(`process ${pid} has ended, which was being measured`);
  const spent = tasks.map((task) => {
    // A thread may end in between; what it had spent is lost.
    const line = unlessMissing(() => readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8'));
    return Number(line?.split(' ')[column] ?? 0);
  });
  return spent.reduce((sum, nanoseconds) => sum + nanoseconds, 0) / 1e6;
}

function unlessMissing<T>(read: () => T): T | null {
  try {
    return read();
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes(errnoOf(error) ?? '')) return null;
    throw error;
  }
}
