import type { Proof } from '../lifecycle/view.ts';
import type { Clock } from '../system/clock.ts';
import { aliveness, lookAt, sinceBoot, startedAt, startTimeOf } from '../system/process.ts';
import { readPidFile, whyNoPid } from './pid-file.ts';
import { hidden, unproven } from './refusal.ts';

/** A process writes its pid file after it began; so far the two times may be apart. */
const SLACK_MS = 2_000;

/** The process that a pid file names, or a process number alone. */
export interface NamedProcess {
  /** Looks at the pid file, so that its age is known before the calendar is changed. */
  sight(): void;
  /**
   * The process, if it lives and can be the one that is meant.
   * @throws LastcallError `app-stop`
   */
  prove(): Proof;
  /** `gone` when the file names a process that has ended. One that is missing, or names a living one, tells nothing. */
  gone(): 'gone' | 'unknown';
}

/**
 * A pid file that is older than the process it names is another one's by now. The times of files are the calendar's,
 * those of processes count from boot, and between the two lies every step of the calendar since the file was written. So
 * the time of each version of the file is taken over to the clock of boot once, when that version is seen first, and a
 * step after that changes nothing. A step between the writing and that look is not seen: forwards it makes a refusal,
 * which says how to answer it; backwards an old file passes. Age is used for refusals alone: never is an application
 * taken for gone by it.
 */
export function createNamedProcess(
  { pid, pidFile }: { readonly pid: number | null; readonly pidFile: string | null },
  clock: Clock,
): NamedProcess {
  let seen: { readonly version: string; readonly writtenAt: number } | null = null;
  const read = ():
    { readonly pid: number; readonly writtenAt: number | null } | { readonly problem: string } => {
    if (pidFile === null) return { pid: pid ?? 0, writtenAt: null };
    const file = readPidFile(pidFile);
    if ('problem' in file) return file;
    const { version } = file;
    if (seen?.version !== version)
      seen = { version, writtenAt: sinceBoot() - (clock.wall().getTime() - file.writtenAt) };
    return { pid: file.pid, writtenAt: seen.writtenAt };
  };
  const sight = (): void => void read();
  sight();
  return {
    sight,
    prove() {
      const target = pidFile ?? 'the given process number';
      const named = read();
      if ('problem' in named) throw unproven(target, `${target} ${named.problem}`);
      return proveProcess(named.pid, named.writtenAt, target);
    },
    gone() {
      const named = read();
      if ('problem' in named || whyNoPid(named.pid) !== null) return 'unknown';
      const found = lookAt(named.pid);
      if (typeof found === 'string') return found === 'gone' ? 'gone' : 'unknown';
      return aliveness(named.pid, found.startTime) === 'gone' ? 'gone' : 'unknown';
    },
  };
}

function proveProcess(pid: number, writtenAt: number | null, target: string): Proof {
  const problem = whyNoPid(pid);
  if (problem !== null) throw unproven(target, `${target} is ${problem}`);
  if (lookAt(pid) === 'hidden') throw hidden(pid);
  const startTime = startTimeOf(pid);
  if (startTime === null || aliveness(pid, startTime) !== 'alive') {
    throw unproven(target, `process ${pid} (${target}) is not running`);
  }
  // Also when its age cannot be told (NaN).
  if (writtenAt !== null && !(startedAt(startTime) <= writtenAt + SLACK_MS)) {
    throw unproven(
      target,
      `${target} is older than process ${pid}, which so cannot be the one it means`,
      `see what process ${pid} is; is it the application, and was the clock set since it wrote its file, \`touch ${target}\``,
    );
  }
  return { pid, startTime };
}
