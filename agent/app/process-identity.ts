import type { ProcessIdentity, Proof, Unproven } from '../lifecycle/model/observation.ts';
import { sleep, type Clock } from '../system/clock.ts';
import { processStatus } from '../system/process.ts';

/** Is this the process that is the application, or why there will be none? */
export function isProof(found: Proof | Unproven): found is Proof {
  return 'pid' in found;
}

/** All processes of a proof; none of what is not proven. */
export function processesOf(found: Proof | Unproven | null): readonly ProcessIdentity[] {
  if (found === null || !isProof(found)) return [];
  const { pid, startTime, others = [] } = found;
  return [{ pid, startTime }, ...others];
}

/** An application is gone only when each of its processes is; `unknown` where /proc does not show one of them. */
export function statusOfAll(processes: readonly ProcessIdentity[]): 'gone' | 'alive' | 'unknown' {
  const seen = processes.map(({ pid, startTime }) => processStatus(pid, startTime));
  if (seen.includes('alive')) return 'alive';
  return seen.includes('unknown') ? 'unknown' : 'gone';
}

/** The processes that have not ended as far as is known. */
export function stillAlive(processes: readonly ProcessIdentity[]): ProcessIdentity[] {
  return processes.filter((one) => statusOfAll([one]) !== 'gone');
}

/** How often processes that are not our children are looked at. */
const POLL_MS = 20;

/**
 * Waits until all of them have ended.
 * @param until in monotonic milliseconds
 * @returns false when one has not ended by then
 * @throws the signal's reason
 */
export async function untilGone(
  processes: readonly ProcessIdentity[],
  until: number,
  { clock, signal }: { readonly clock: Clock; readonly signal: AbortSignal },
): Promise<boolean> {
  while (statusOfAll(processes) !== 'gone') {
    const rest = until - clock.now();
    if (rest <= 0) return false;
    await sleep(clock, Math.min(POLL_MS, rest), signal);
  }
  return true;
}
