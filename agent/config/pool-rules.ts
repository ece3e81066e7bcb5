import type { Config } from './config.ts';
import type { Finding } from './problem.ts';

/** How `pool`, `lock` and what depends on them have to fit together. */

const NO_LOCK =
  'pool: no lock is configured, so `pool.slots` and `pool.brake` are not kept: only drain.keep keeps nodes from going out at once, and a guard is no lock';

const NO_SOAK = 'return.soak: no lock is configured, so there is no slot that it would hold back';

export function checkPool({ pool, lock }: Config): Finding[] {
  if (lock === null || pool !== null) return [];
  return [{ path: ['lock'], message: 'needs pool: { name }, whose slots it keeps', at: 'value' }];
}

const OTHERS_GO_DOWN =
  'lock.file and `do: reboot`: the reboot takes down every node of this machine, and is refused (75 busy) while another one is in service: the others need a `do: drain` before it, and `pool.slots` has to hold all of them at once';

export function warnOfPool({ pool, lock, schedule, return: { soakMs } }: Config): string[] {
  const isShared = lock?.kind === 'file' && schedule.some((entry) => entry.do === 'reboot');
  return [
    ...(pool !== null && lock === null ? [NO_LOCK] : []),
    ...(lock === null && soakMs > 0 ? [NO_SOAK] : []),
    ...(isShared ? [OTHERS_GO_DOWN] : []),
  ];
}
