import { unexpected, type Reply } from './reply.ts';
import { wholeNumber } from './stats.ts';

/**
 * The pids of all workers in the answer to `show proc`, whatever their section: after a failed reload the worker that
 * serves stands under `# old workers` in 2.0-2.4 and from 3.1 on (haproxy-versions 3), so only `show info` tells it.
 * @throws LastcallError `balancer-unreachable` when it is no such answer
 */
export function parseWorkers(answer: string, reply: Reply): readonly number[] {
  const [header = '', ...lines] = answer.split('\n');
  // `#<PID> <type> <relative PID> <reloads>`: the names may hold blanks, and come and go between versions.
  const names = [...header.matchAll(/<([^>]+)>/g)].map(([, name]) => name);
  const pidAt = names.indexOf('PID');
  const typeAt = names.indexOf('type');
  if (!header.startsWith('#') || pidAt === -1 || typeAt === -1) throw unexpected(reply, answer);
  const pids: number[] = [];
  let section = '';
  for (const line of lines) {
    if (line.startsWith('#')) section = line.slice(1).trim();
    const fields = line.trim().split(/\s+/);
    // A program may be called worker.
    if (line.startsWith('#') || section === 'programs' || fields[typeAt] !== 'worker') continue;
    const pid = wholeNumber(fields[pidAt]);
    if (pid === null) throw unexpected(reply, line);
    pids.push(pid);
  }
  return pids;
}
