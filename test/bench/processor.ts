import { readdirSync, readFileSync } from 'node:fs';

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

function schedulerMs(pid: number, column: 0 | 1): number {
  const tasks = readdirSync(`/proc/${pid}/task`);
  const spent = tasks.map((task) =>
    Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8').split(' ')[column]),
  );
  return spent.reduce((sum, nanoseconds) => sum + nanoseconds, 0) / 1e6;
}
