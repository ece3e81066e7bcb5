import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { type Clock, withDeadline } from '../system/clock.ts';
import type { LastcallError } from '../system/error.ts';
import { unanswered } from './unanswered.ts';

/** A start that cannot succeed ends within two seconds (contract), and this is its first step. */
const PATIENCE_MS = 1_200;

const LOOK = `try { require('node:fs').lstatSync(process['argv'][1]) } catch {}`;

/**
 * Sees that the file system of `path` answers at all, by another process. One of our own threads that waits for a hung
 * file system (NFS) can be neither ended nor left behind: Node joins it at exit, so the process would never end.
 * @throws LastcallError `state-write` when it does not answer within 1.2 s
 */
export async function checkReachable(path: string, clock: Clock): Promise<void> {
  const looker = spawn(process.execPath, ['-e', LOOK, path], { stdio: 'ignore' });
  const ended = Promise.race([once(looker, 'exit'), once(looker, 'error')]);
  try {
    const late = (): LastcallError => unanswered(path, PATIENCE_MS);
    await withDeadline(clock, PATIENCE_MS, new AbortController().signal, late, () => ended);
  } finally {
    looker.kill('SIGKILL');
    looker.unref();
  }
}
