import { readdirSync, readFileSync } from 'node:fs';

/**
 * User and system time of a process so far, of all its threads, in milliseconds: by the scheduler, in nanoseconds, where
 * `utime` and `stime` of proc(5) have ticks of 10 ms.
 */
export function processorMs(pid: number): number {
  const tasks = readdirSync(`/proc/${pid}/task`);
  const spent = tasks.map((task) =>
    Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8').split(' ')[0]),
  );
  return spent.reduce((sum, nanoseconds) => sum + nanoseconds, 0) / 1e6;
}
