import { accessSync, constants, readdirSync, readFileSync, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { errnoOf, LastcallError, messageOf } from './error.ts';

/** /proc/PID/stat of a process (proc(5)). */
export interface ProcessStat {
  /** `R`, `S`, `T`..., `Z` for a zombie, `X` for dead. */
  readonly state: string;
  readonly parent: number;
  readonly group: number;
  readonly threads: number;
  /** Start time in clock ticks since boot (field 22). A string: it is only ever compared. */
  readonly startTime: string;
}

const BOOT = '/proc/sys/kernel/random/boot_id';

/**
 * Which boot of the machine this is: pids and start times mean nothing in another one.
 * @throws LastcallError `config` where /proc does not show it
 */
export function bootId(): string {
  try {
    return readFileSync(BOOT, 'utf8').trim();
  } catch (cause) {
    throw new LastcallError(
      'config',
      `${BOOT} cannot be read (${messageOf(cause)}): no process can be identified`,
      {
        target: BOOT,
        next: 'let this process see all of /proc (in a unit: no `ProcSubset=pid`)',
        cause,
      },
    );
  }
}

/**
 * Reads the line of /proc/PID/stat; null when it is none. The name in parentheses may itself hold blanks and
 * parentheses, so the fields are counted from the last `)`.
 */
export function parseStat(line: string): ProcessStat | null {
  const fields = line
    .slice(line.lastIndexOf(')') + 1)
    .trim()
    .split(' ');
  // The first of these fields is number 3 of proc(5).
  const state = fields[0];
  const startTime = fields[19];
  if (state === undefined || startTime === undefined || !/^\d+$/.test(startTime)) return null;
  return {
    state,
    parent: Number(fields[1]),
    group: Number(fields[2]),
    threads: Number(fields[17]),
    startTime,
  };
}

/** The stat of a pid, `gone`, or `hidden` when it lives (by kill(2)) and /proc does not show it. */
export function inspectProcess(pid: number): ProcessStat | 'gone' | 'hidden' {
  if (!exists(pid)) return 'gone';
  const stat = readStat(pid);
  if (stat !== null) return stat;
  // It may have ended between the two looks.
  return exists(pid) ? 'hidden' : 'gone';
}

/** Whose a process is, by /proc/PID/status (proc(5)). */
export interface ProcessOwner {
  /** Another number than the asked one: that is a thread of this process. */
  readonly leader: number;
  /** The users who may signal it, besides root: kill(2) asks for its real and its saved uid. */
  readonly uids: readonly number[];
}

/** @returns null when it is gone or /proc does not show it */
export function ownerOf(pid: number): ProcessOwner | null {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'latin1');
    const [, leader] = /^Tgid:\s*(\d+)$/m.exec(status) ?? [];
    const [, real, saved] = /^Uid:\s*(\d+)\s+\d+\s+(\d+)\s/m.exec(status) ?? [];
    if (leader === undefined || real === undefined || saved === undefined) return null;
    return { leader: Number(leader), uids: [Number(real), Number(saved)] };
  } catch {
    return null; // Gone meanwhile, or hidden: the caller has looked at it, and reports which.
  }
}

/** The start time of a process, in clock ticks since boot; null when it is gone or /proc hides it. */
export function startTimeOf(pid: number): string | null {
  const seen = inspectProcess(pid);
  return typeof seen === 'string' ? null : seen.startTime;
}

/**
 * Does the process that was proven by `pid` and `startTime` still live? Gone is ESRCH, a zombie, or the pid now
 * belonging to a process of another start time; `unknown` when /proc does not show it (hidepid, no /proc).
 */
export function processStatus(pid: number, startTime: string): 'gone' | 'alive' | 'unknown' {
  const seen = inspectProcess(pid);
  if (seen === 'gone') return 'gone';
  if (seen === 'hidden') return 'unknown';
  return seen.startTime === startTime && isRunning(seen) ? 'alive' : 'gone';
}

/** Of a zombie whose other threads still run only the first thread has ended: such a process serves on. */
export function isRunning(stat: ProcessStat): boolean {
  return (stat.state !== 'Z' && stat.state.toUpperCase() !== 'X') || stat.threads > 1;
}

/**
 * Milliseconds since boot, on the clock of start times: it goes on while the machine sleeps, and no step of the
 * calendar moves it. NaN when /proc does not show it. Measured from our own start, whose clock stops while the
 * machine sleeps; /proc/uptime does not, but container runtimes replace it by a shorter time: the longer of the two
 * is right.
 */
export function sinceBoot(): number {
  return Math.max(originOfUptime() * MS_PER_TICK + process.uptime() * 1000, uptimeSeconds() * 1000);
}

function uptimeSeconds(): number {
  try {
    return Number(readFileSync('/proc/uptime', 'latin1').split(' ')[0]);
  } catch {
    return Number.NaN; // `ProcSubset=pid` hides it.
  }
}

/** When the process with this start time began, in milliseconds since boot. */
export function startedAt(startTime: string): number {
  return Number(startTime) * MS_PER_TICK;
}

/** For how long the process with this start time has run, in milliseconds; NaN when /proc does not show it. */
export function runningFor(startTime: string): number {
  const ticks = Number(startTime) - originOfUptime();
  return process.uptime() * 1000 - ticks * MS_PER_TICK;
}

/**
 * When `process.uptime()` was 0, in clock ticks since boot. Not our own start time, which is that of the fork: from there
 * to node's first line it may take seconds, on a machine that boots. Node's first threads are started right after it.
 */
function originOfUptime(): number {
  const threads = readdirSync('/proc/self/task').filter((id) => id !== String(process.pid));
  const stats = threads.flatMap((id) => readStat(`self/task/${id}`) ?? []);
  return stats.length === 0 ? Number.NaN : Math.min(...stats.map(({ startTime }) => Number(startTime)));
}

/** USER_HZ is 100 on every architecture that Node runs on. */
const MS_PER_TICK = 10;

/** The most passes over /proc: each after the first reads only processes that were started during the one before. */
const LOOKS = 10;

/**
 * Does a living process belong to this process group? False only where it is proven: kill(2) answers ESRCH, or
 * /proc explains by zombies alone that it does not. A process that ends while it is read may have left a child that
 * is not in the list, so the list is read anew until each new process in it was read, and is not of the group.
 * Everything else is true: members that /proc hides, and lists that never came to an end.
 */
export function groupLives(group: number): boolean {
  const seen = new Set<number>();
  let zombies = 0;
  for (let looks = 0; looks < LOOKS; looks++) {
    if (!exists(-group)) return false;
    const fresh = pidsOf().filter((pid) => !seen.has(pid));
    const stats = fresh.map(readStat);
    const members = stats.filter((stat) => stat?.group === group);
    if (members.some((stat) => stat !== null && isRunning(stat))) return true;
    zombies += members.length;
    if (members.length === 0 && !stats.includes(null)) return zombies === 0;
    for (const pid of fresh) seen.add(pid);
  }
  return true;
}

/** The pids that /proc lists. */
export function pidsOf(): number[] {
  return readdirSync('/proc').flatMap((name) => (/^\d+$/.test(name) ? [Number(name)] : []));
}

/**
 * The first process group's leader that was started with this variable in its environment, by /proc/PID/environ; null
 * when there is none that we may read.
 */
export function leaderWith(
  name: string,
  value: string,
): { readonly pid: number; readonly startTime: string } | null {
  const entry = `${name}=${value}`;
  const found = pidsOf()
    .filter((pid) => environOf(pid).split('\0').includes(entry))
    .flatMap((pid) => {
      const stat = readStat(pid);
      return stat?.group === pid && isRunning(stat) ? [{ pid, ...stat }] : [];
    })
    .toSorted((one, other) => Number(one.startTime) - Number(other.startTime));
  const [first] = found;
  return first ? { pid: first.pid, startTime: first.startTime } : null;
}

/** The control groups of a process, each as its path (cgroups(7)); none when it is gone or /proc hides it. */
export function cgroupOf(pid: number): string[] {
  try {
    const lines = readFileSync(`/proc/${pid}/cgroup`, 'latin1').trim().split('\n');
    return lines.map((line) => line.split(':').slice(2).join(':'));
  } catch {
    return []; // Gone meanwhile, or another user's.
  }
}

function environOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'latin1');
  } catch {
    return ''; // Gone meanwhile, or another user's.
  }
}

/**
 * Can this program be started? The reason why not, as a text, or null when it can.
 * @param program a path, or a name that is looked up in `searchPath`
 * @param searchPath the PATH of the environment; undefined = the C library's default, as execvp(3) does
 */
export function checkExecutable(program: string, searchPath: string | undefined): string | null {
  if (program === '') return 'the name of the program is empty';
  if (program.includes('/')) return whyNotRunnable(program);
  // An empty part of PATH means the working directory.
  const folders = (searchPath ?? '/bin:/usr/bin').split(delimiter);
  const found = folders.some(
    (folder) => whyNotRunnable(join(folder === '' ? '.' : folder, program)) === null,
  );
  return found ? null : `${program} is no executable file in PATH`;
}

function whyNotRunnable(path: string): string | null {
  try {
    if (!statSync(path).isFile()) return `${path} is not a regular file`;
    accessSync(path, constants.X_OK);
    return null;
  } catch (error) {
    const reason = errnoOf(error) === 'EACCES' ? 'is not executable for this user' : 'does not exist';
    return `${path} ${reason} (${errnoOf(error) ?? 'unknown error'})`;
  }
}

/** kill(2) with signal 0: ESRCH alone proves that there is no process; EPERM means a process of another user. */
function exists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errnoOf(error) !== 'ESRCH';
  }
}

function readStat(pid: number | `self/task/${string}`): ProcessStat | null {
  try {
    return parseStat(readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch {
    // Gone meanwhile, or not ours to read: kill(2) decides (`inspectProcess`).
    return null;
  }
}
