import { unexpected, type Reply } from './reply.ts';
import { wholeNumber } from './stats.ts';

/**
 * The pids of all workers in the answer to `show proc`, whatever their section: after a failed reload the worker that
 * serves stands under `# old workers` in 2.0-2.4 and from 3.1 on (haproxy-versions 3), so only `show info` tells it.
 * @throws LastcallError `balancer-unreachable` when it is no such answer
 */
export function parseWorkers(answer: string, reply: Reply): readonly number[] {
  return rowsOf(answer, reply).map(({ pid }) => pid);
}

/**
 * The pids of the workers of before `current` in the answer to `show proc`; null when `current` is not among them. One
 * that has seen fewer reloads is younger: a worker that still reads its configuration stands there from 3.1 on, serves
 * no user, and cannot be addressed (3.4.0; from the review of versions, not tried here).
 * @throws LastcallError `balancer-unreachable` when it is no such answer
 */
export function parseOldWorkers(answer: string, reply: Reply, current: number): readonly number[] | null {
  const rows = rowsOf(answer, reply);
  const own = rows.find(({ pid }) => pid === current);
  if (own === undefined) return null;
  const isYounger = ({ reloads }: Row): boolean =>
    reloads !== null && own.reloads !== null && reloads < own.reloads;
  return rows.filter((row) => row !== own && !isYounger(row)).map(({ pid }) => pid);
}

interface Row {
  readonly pid: number;
  /** How many reloads it has seen; null where that cannot be read. */
  readonly reloads: number | null;
}

/** The column before the uptime (`0d00h02m07s`); the ones before it may hold blanks. */
const RELOADS = /\s(\d+)\s+\d+d\d+h\d+m\d+s(\s|$)/;

function rowsOf(answer: string, reply: Reply): readonly Row[] {
  const [header = '', ...lines] = answer.split('\n');
  // `#<PID> <type> <relative PID> <reloads>`: the names may hold blanks, and come and go between versions.
  const names = [...header.matchAll(/<([^>]+)>/g)].map(([, name]) => name);
  const pidAt = names.indexOf('PID');
  const typeAt = names.indexOf('type');
  if (!header.startsWith('#') || pidAt === -1 || typeAt === -1) throw unexpected(reply, answer);
  const rows: Row[] = [];
  let section = '';
  for (const line of lines) {
    if (line.startsWith('#')) section = line.slice(1).trim();
    const fields = line.trim().split(/\s+/);
    // A program may be called worker.
    if (line.startsWith('#') || section === 'programs' || fields[typeAt] !== 'worker') continue;
    const pid = wholeNumber(fields[pidAt]);
    if (pid === null) throw unexpected(reply, line);
    rows.push({ pid, reloads: wholeNumber(RELOADS.exec(line)?.[1]) });
  }
  return rows;
}
