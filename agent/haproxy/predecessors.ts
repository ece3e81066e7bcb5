import { type ProcessEntry, type ProcessTable, programOf } from '../system/process-table.ts';

/** A process, known by its pid and its start time: a pid alone may become another's. */
export interface ProcessId {
  readonly pid: number;
  readonly startTime: string;
}

/** A worker's process on this machine, and those of the workers before it that still live. */
export interface Lineage {
  readonly self: ProcessId;
  readonly old: readonly ProcessId[];
  /**
   * Older HAProxys of the very configuration that no reload names: one that was started twice takes users at the same
   * ports (SO_REUSEPORT), with a state of its own, and one that was ended by hand (`kill -USR1`) serves those it has.
   */
  readonly twins: readonly ProcessId[];
  /**
   * Older ones that no living process names, where one that the worker names has ended: that one may have named them
   * (`-sf` twice in a row), or they are another HAProxy. So may be one of the same configuration file, and one of any
   * file (a template may write a new one each time) unless it listens: one that is stopping does not.
   */
  readonly unclear: readonly ProcessId[];
}

/**
 * How far the age of a process may differ from `Uptime_sec`. It is less where a master read a large configuration
 * before it forked its worker (up to 3.0; seen on 2.6.12 and 3.0.11), and more where HAProxy was stopped: its clock
 * leaves out a jump.
 */
const FITS_MS = 10_000;

/**
 * The workers of before a reload that still live, as /proc shows them. They are named after `-sf` or `-st` on the
 * worker's command line, also where a master wrote them there, and after that of those that live; and they are
 * older children of the worker's master (seen on 2.6.12, 3.0.11 and 3.2.26, with `-W`, `-D` and `-db`).
 * @param worker its pid by `show info`, and its uptime in milliseconds
 * @returns null where nothing is proven: the pid is not that worker's here (another machine, another pid
 *   namespace), or /proc hides processes
 */
export function lineageOf(
  table: ProcessTable,
  worker: { readonly pid: number; readonly uptimeMs: number },
): Lineage | null {
  const self = table.at(worker.pid);
  if (typeof self === 'string' || !isHaproxy(self)) return null;
  const ageMs = table.ageMs(self.startTime);
  if (!(Math.abs(ageMs - worker.uptimeMs) <= FITS_MS)) return null;
  const haproxies = table.running(HAPROXY)?.filter(isHaproxy);
  if (haproxies === undefined) return null;
  const hasMaster = haproxies.some(({ pid }) => pid === self.parent);
  const named = namedBy(self, haproxies);
  const old = haproxies.filter(
    (other) =>
      isOlder(other, self) &&
      (named.has(other.pid) || named.has(other.parent) || (hasMaster && other.parent === self.parent)) &&
      // A master serves no user; its workers do.
      !haproxies.some(({ parent }) => parent === other.pid),
  );
  const hasGap = !hasMaster && [...named].some((pid) => !haproxies.some((other) => other.pid === pid));
  const unclear = haproxies.filter(
    (other) =>
      hasGap &&
      isOlder(other, self) &&
      !old.includes(other) &&
      !haproxies.some(({ pid, parent }) => parent === other.pid || pid === other.parent) &&
      (sharesFile(other, self) || table.listens(other.pid) !== true),
  );
  const twins = haproxies.filter(
    (other) =>
      isOlder(other, self) &&
      !old.includes(other) &&
      !haproxies.some(({ parent }) => parent === other.pid) &&
      isTwin(table, self, other),
  );
  return { self: idOf(self), old: old.map(idOf), twins: twins.map(idOf), unclear: unclear.map(idOf) };
}

/**
 * Whether two processes run the same configuration: the same files, by paths that mean the same in each directory. Not
 * where their sockets show that they serve other ports, as one file may by its environment.
 */
function isTwin(table: ProcessTable, self: ProcessEntry, other: ProcessEntry): boolean {
  const files = filesOf(self.command);
  const its = filesOf(other.command);
  const isSame = files.length === its.length && files.every((file, index) => file === its[index]);
  if (!isSame || !files.every((file) => file.startsWith('/'))) return false;
  return table.listens(other.pid) === false || table.sharePort(self.pid, other.pid) !== false;
}

/** Is it still the same process, and alive? One that /proc has begun to hide is not known to have ended. */
export function mayLive(table: ProcessTable, { pid, startTime }: ProcessId): boolean {
  const seen = table.at(pid);
  return seen === 'hidden' || (seen !== 'gone' && seen.startTime === startTime);
}

function idOf({ pid, startTime }: ProcessEntry): ProcessId {
  return { pid, startTime };
}

/** The name of its program; HAProxy Enterprise's, too. */
const HAPROXY = /haproxy|hapee/;

/**
 * Is it a HAProxy that serves, by the name of its program? Each has a configuration file on its
 * command line, a haproxy_exporter (also one below the same master, as a `program`) has none, and `-c` only tries a file.
 * In another pid namespace its pid is another one.
 */
function isHaproxy({ command, nested }: ProcessEntry): boolean {
  if (nested || !HAPROXY.test(programOf(command))) return false;
  return filesOf(command).length > 0 && !command.includes('-c');
}

/** Began before `self`, and is not its master, which is older too and still lives. */
function isOlder(other: ProcessEntry, self: ProcessEntry): boolean {
  return (
    other.pid !== self.pid && other.pid !== self.parent && Number(other.startTime) <= Number(self.startTime)
  );
}

/** The pids after `-sf` and `-st` on the worker's command line, and on those of the older ones that live. */
function namedBy(self: ProcessEntry, haproxies: readonly ProcessEntry[]): ReadonlySet<number> {
  const named = new Set<number>();
  const read = [self];
  for (let next = read.pop(); next !== undefined; next = read.pop()) {
    for (const pid of finishing(next.command)) {
      if (named.has(pid)) continue;
      named.add(pid);
      const found = haproxies.find((other) => other.pid === pid && isOlder(other, self));
      if (found !== undefined) read.push(found);
    }
  }
  return named;
}

function sharesFile(one: ProcessEntry, other: ProcessEntry): boolean {
  const files = filesOf(other.command);
  return filesOf(one.command).some((file) => files.includes(file));
}

/** The configuration files on a command line: each after its `-f`, and all after `--` (haproxy(1)). */
function filesOf(command: readonly string[]): string[] {
  const end = command.indexOf('--');
  return command.filter((_, index) => command[index - 1] === '-f' || (end >= 0 && index > end));
}

/** `-sf` takes all numbers up to the next option (haproxy(1)). */
function finishing(command: readonly string[]): number[] {
  const pids: number[] = [];
  let taking = false;
  for (const word of command) {
    if (word === '-sf' || word === '-st') taking = true;
    else if (taking && /^\d+$/.test(word)) pids.push(Number(word));
    else taking = false;
  }
  return pids;
}
