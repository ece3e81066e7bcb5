import { readdirSync, readFileSync } from 'node:fs';
import { errnoOf } from '../../agent/system/error.ts';

/** The pids of all processes that have this text in the environment they were started with, but for our own. A zombie has none any more. */
export function processesWith(text: string): number[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return pids.map(Number).filter((pid) => pid !== process.pid && environmentOf(pid).includes(text));
}

function environmentOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'latin1');
  } catch (error) {
    // It has ended, or is another user's.
    if (['ENOENT', 'ESRCH', 'EACCES'].includes(errnoOf(error) ?? '')) return '';
    throw error;
  }
}
