import { isRunning, inspectProcess, pidsOf } from '../../agent/system/process.ts';

/**
 * The living processes of a process group that one look at /proc shows; a zombie is none. For tests that count members:
 * one look misses the child of a process that ends meanwhile, so it proves nothing to be empty (`groupLives` does).
 */
export function groupMembers(group: number): number[] {
  return pidsOf().filter((pid) => {
    const stat = inspectProcess(pid);
    return typeof stat === 'object' && stat.group === group && isRunning(stat);
  });
}
