import { parseCount } from './columns.ts';
import { unexpected, type Reply } from '../reply.ts';

/**
 * The pids of all workers in the answer to `show proc`, whatever their section: after a failed reload the worker
 * that serves is under `# old workers` in 2.0-2.4 and from 3.1 on (BEHAVIOUR.md#the-master-socket), so only `show
 * info` identifies it.
 * @throws LastcallError `balancer-unreachable` when it is no such answer
 */
export function parseWorkers(answer: string, reply: Reply): readonly number[] {
  return rowsOf(answer, reply).map(({ pid }) => pid);
}

/**
 * The pids of the workers of before `current` in the answer to `show proc`; null when `current` is not among them.
 * One that has seen fewer reloads in a shorter life is younger: a worker that still reads its configuration is
 * listed from 3.1 on, serves no user, and cannot be addressed (BEHAVIOUR.md#the-master-socket).
 * @throws LastcallError `balancer-unreachable` when it is no such answer
 */
export function parseOldWorkers(answer: string, reply: Reply, current: number): readonly number[] | null {
  const rows = rowsOf(answer, reply);
  const own = rows.find(({ pid }) => pid === current);
  if (own === undefined) return null;
  const isYounger = ({ reloads, uptimeSeconds }: Row): boolean =>
    reloads !== null && own.reloads !== null && reloads < own.reloads && uptimeSeconds <= own.uptimeSeconds;
  return rows.filter((row) => row !== own && !isYounger(row)).map(({ pid }) => pid);
}

interface Row {
  readonly pid: number;
  /** How many reloads it has seen; null where that cannot be read. */
  readonly reloads: number | null;
  readonly uptimeSeconds: number;
}

/** `#<PID> <type> <relative PID> <reloads> <uptime> <version>`: the third is there up to 2.4. */
const HEADER = /^#<PID>\s+<type>\s+(<relative PID>\s+)?<reloads>\s+<uptime>\s+<version>\s*$/;
const ROW =
  /^(\d+)\s+(master|worker)\s+(?:(?:\d+|\[was: \d+\])\s+)??(\d+)\s+(?:\[failed: \d+\]\s+)?(\d+d\d+h\d+m\d+s)\s+\S+\s*$/;
const SECTIONS = ['workers', 'old workers', 'programs', 'old programs'];

/** The rows of all workers; a line that is no row of a known section is refused, for it may be one of them. */
function rowsOf(answer: string, reply: Reply): readonly Row[] {
  const [header = '', ...lines] = answer.split('\n');
  if (!HEADER.test(header)) throw unexpected(reply, answer);
  const rows: Row[] = [];
  let section: string | undefined;
  for (const line of lines) {
    if (line === '') continue;
    if (line.startsWith('#')) {
      section = SECTIONS.find((name) => line.trimEnd() === `# ${name}`);
      if (section === undefined) throw unexpected(reply, line);
      // Programs are not workers, whatever their names.
    } else if (section?.endsWith('programs') !== true) {
      const [, pid, type, reloads, uptime = ''] = ROW.exec(line) ?? [];
      const number = parseCount(pid);
      if (number === null) throw unexpected(reply, line);
      if (type === 'worker')
        rows.push({ pid: number, reloads: parseCount(reloads), uptimeSeconds: secondsOf(uptime) });
    }
  }
  return rows;
}

/** `0d00h02m07s`. */
function secondsOf(uptime: string): number {
  const [days = 0, hours = 0, minutes = 0, seconds = 0] = uptime.match(/\d+/g)?.map(Number) ?? [];
  return ((days * 24 + hours) * 60 + minutes) * 60 + seconds;
}
