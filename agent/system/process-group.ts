import { sleep, type Clock } from './clock.ts';
import { errnoOf } from './error.ts';
import { groupLives, inspectProcess } from './process.ts';

/** The first process of a group of its own (setsid): its pid is the group's number. */
export interface GroupLeader {
  readonly pid: number;
  /** As `startTimeOf` gave it while the process was ours for certain; null when it was never seen. */
  readonly startTime: string | null;
}

const POLL_MS = 20;
/** How long a process may take to vanish after SIGKILL before it is given up (a hung disk or NFS server). */
export const KILL_WAIT_MS = 5_000;

/**
 * Signals every process of the group. The number stays reserved while the group has a process; once it is empty the
 * number may be used again, so nothing is sent when the pid belongs to a process of another start time.
 * @returns false when no process was signalled: the group is empty, another's, or not ours to signal
 */
export function signalGroup(leader: GroupLeader, name: NodeJS.Signals): boolean {
  if (isPidReused(leader)) return false;
  try {
    process.kill(-leader.pid, name);
    return true;
  } catch (error) {
    if (errnoOf(error) === 'ESRCH' || errnoOf(error) === 'EPERM') return false;
    throw error;
  }
}

/**
 * Waits at most `ms` milliseconds until no living process is left in the group.
 * @returns false when there still is one
 * @throws the signal's reason
 */
export async function groupEmpty(
  leader: GroupLeader,
  ms: number,
  { clock, signal }: { clock: Clock; signal: AbortSignal },
): Promise<boolean> {
  const end = clock.now() + ms;
  while (!isPidReused(leader) && groupLives(leader.pid)) {
    if (clock.now() >= end) return false;
    await sleep(clock, Math.min(POLL_MS, end - clock.now()), signal);
  }
  return true;
}

/**
 * Ends what is left of the group: SIGTERM, `graceMs` to end, SIGKILL. It takes no AbortSignal because it is what
 * happens after one; it is bounded by `graceMs` and KILL_WAIT_MS.
 * @returns false when a process is still there
 */
export async function endGroup(leader: GroupLeader, graceMs: number, clock: Clock): Promise<boolean> {
  const ports = { clock, signal: new AbortController().signal };
  signalGroup(leader, 'SIGTERM');
  if (await groupEmpty(leader, graceMs, ports)) return true;
  signalGroup(leader, 'SIGKILL');
  return groupEmpty(leader, KILL_WAIT_MS, ports);
}

function isPidReused(leader: GroupLeader): boolean {
  const seen = inspectProcess(leader.pid);
  return typeof seen === 'object' && leader.startTime !== null && seen.startTime !== leader.startTime;
}
