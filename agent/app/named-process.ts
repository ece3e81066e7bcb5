import type { Proof } from '../lifecycle/model/observation.ts';
import type { Clock } from '../system/clock.ts';
import { listensOn } from '../system/process-table.ts';
import {
  processStatus,
  inspectProcess,
  ownerOf,
  sinceBoot,
  startedAt,
  startTimeOf,
} from '../system/process.ts';
import { readPidFile, whyNoPid, type PidFile } from './pid-file.ts';
import { hiddenError, unprovenError } from './errors.ts';
import type { PidFileRecord, PidFileRecords } from './pid-file-record.ts';

/** A process writes its pid file after it began: the largest difference of the two times. */
const SLACK_MS = 2_000;

/** The process that a pid file names, or a process number alone. */
export interface NamedProcess {
  /** Looks at the pid file, so that its age is known before the calendar is changed. */
  sight(): void;
  /**
   * The process, if it lives and can be the one that is meant.
   * @throws LastcallError `app-stop`, the signal's reason
   */
  prove(signal: AbortSignal): Promise<Proof>;
  /**
   * `gone` when the file names a process that has ended. A missing file, or one that names a living process, proves
   * nothing.
   */
  gone(): 'gone' | 'unknown';
}

/** How a process is proven to be the application, besides the file that names it. */
export interface NamingPorts {
  readonly clock: Clock;
  readonly pidFiles: PidFileRecords;
  /** The ports at which the application is asked, and its users come to it; empty where none is known. */
  readonly appPorts: (signal: AbortSignal) => Promise<readonly number[]>;
}

/**
 * A pid file that is older than the process it names is another one's by now. The times of files are the calendar's,
 * those of processes count from boot, and between the two lies every step of the calendar since the file was written. So
 * the time of each version of the file is taken over to the clock of boot once, when that version is seen first by any
 * sidecar (`pid-file-record.ts`); a step after that changes nothing, and in the next boot the file is older than every process.
 * A step between the writing and that look may make an age wrong, so age is used for refusals alone, and is overruled by
 * evidence: the named process waits for connections at a port of the application. What this leaves: a stale file that no
 * sidecar has seen before, whose number another process has by now, and a calendar that was set back meanwhile by less
 * than the file is old. Never is an application taken for gone by an age.
 */
export function createNamedProcess(
  { pid, pidFile }: { readonly pid: number | null; readonly pidFile: string | null },
  ports: NamingPorts,
): NamedProcess {
  const { pidFiles } = ports;
  /** The version of the file whose process was seen to belong to the file's writer. */
  let believed: string | null = null;
  const read = (): Named | { readonly problem: string } => {
    if (pidFile === null) return { pid: pid ?? 0, seen: null, file: null };
    const file = readPidFile(pidFile);
    if ('problem' in file) return file;
    const last = pidFiles.last();
    if (last?.version === file.version) return { pid: file.pid, seen: last, file };
    const seen = firstSight(file, ports);
    pidFiles.keep(seen);
    return { pid: file.pid, seen, file };
  };
  const sight = (): void => void read();
  sight();
  return {
    sight,
    async prove(signal) {
      const target = pidFile ?? 'the given process number';
      const named = read();
      if ('problem' in named) throw unprovenError(target, `${target} ${named.problem}`);
      const proof = livingProcess(named, target);
      believed = named.file?.version ?? null;
      const doubt = named.seen && doubtOf(proof, named.seen, pidFiles.boot);
      if (named.seen === null || doubt === null) return proof;
      if (!(await isEvident(proof, ports, signal))) throw doubted(proof, target, doubt);
      // It may close its listener before it ends.
      pidFiles.keep({ ...named.seen, boot: pidFiles.boot, writtenAt: startedAt(proof.startTime) });
      return proof;
    },
    gone() {
      const named = read();
      if ('problem' in named || whyNoPid(named.pid) !== null) return 'unknown';
      // The process has ended, so its owner cannot be seen any more.
      const { file } = named;
      if (file !== null && !file.isAtHome && file.version !== believed) return 'unknown';
      const found = inspectProcess(named.pid);
      if (typeof found === 'string') return found === 'gone' ? 'gone' : 'unknown';
      return processStatus(named.pid, found.startTime) === 'gone' ? 'gone' : 'unknown';
    },
  };
}

function firstSight(
  { version, writtenAt: written }: Extract<PidFile, { pid: number }>,
  { clock, pidFiles: { boot } }: NamingPorts,
): PidFileRecord {
  const now = sinceBoot();
  const writtenAt = now - (clock.wall().getTime() - written);
  // A file of the future: the calendar was set back since, by an unknown amount. NaN: not shown in /proc.
  const isPlausible = writtenAt <= now + SLACK_MS;
  return { version, boot, writtenAt: isPlausible ? Math.min(writtenAt, now) : null };
}

/** The process in a pid file, or its number alone. */
interface Named {
  readonly pid: number;
  readonly seen: PidFileRecord | null;
  readonly file: Extract<PidFile, { pid: number }> | null;
}

function livingProcess({ pid, file }: Named, target: string): Proof {
  const problem = whyNoPid(pid);
  if (problem !== null) throw unprovenError(target, `${target} is ${problem}`);
  if (inspectProcess(pid) === 'hidden') throw hiddenError(pid);
  const startTime = startTimeOf(pid);
  if (startTime === null || processStatus(pid, startTime) !== 'alive') {
    throw unprovenError(target, `process ${pid} (${target}) is not running`);
  }
  checkOwner(pid, target, file?.writers ?? []);
  return { pid, startTime };
}

/**
 * A pid file counts only where its writer could signal that process directly: otherwise the file would make us
 * signal it with our rights.
 */
function checkOwner(pid: number, target: string, writers: readonly number[]): void {
  const owner = ownerOf(pid);
  if (owner === null) throw hiddenError(pid);
  const { leader, uids } = owner;
  if (leader !== pid)
    throw unprovenError(
      target,
      `${target} names ${pid}, which is a thread of process ${leader}, and no process`,
    );
  const otherUid = writers.find((uid) => !uids.includes(uid));
  if (otherUid === undefined) return;
  throw unprovenError(
    target,
    `${target} was written by uid ${otherUid}, and process ${pid} belongs to uid ${uids[0]}`,
    'let root or the user of the application write the pid file, in a directory of its own',
  );
}

/** The doubt about a process that the age of its pid file raises; null = none. */
function doubtOf({ pid, startTime }: Proof, { boot, writtenAt }: PidFileRecord, now: string): string | null {
  if (boot !== now) return `was written before the machine was booted, and process ${pid} after that`;
  if (writtenAt === null)
    return 'has no certain age (it is of the future: the clock was set back since it was written)';
  const isOlder = !(startedAt(startTime) <= writtenAt + SLACK_MS);
  return isOlder ? `was written before process ${pid} started; the pid was reused` : null;
}

/** The process listens on a port of the probe or of the application's servers. */
async function isEvident(
  { pid, startTime }: Proof,
  { appPorts }: NamingPorts,
  signal: AbortSignal,
): Promise<boolean> {
  const listens = listensOn(pid, await appPorts(signal));
  // It may have ended meanwhile, and its number be another's.
  return listens && processStatus(pid, startTime) === 'alive';
}

function doubted({ pid }: Proof, target: string, doubt: string): Error {
  return unprovenError(
    target,
    `${target} ${doubt}, and process ${pid} does not listen on a port of the application`,
    `see what process ${pid} is; is it the application, and was the clock set since it wrote its file, \`touch ${target}\``,
  );
}
