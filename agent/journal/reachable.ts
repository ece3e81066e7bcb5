import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { type Clock, withDeadline } from '../system/clock.ts';
import type { LastcallError } from '../system/error.ts';
import { unanswered } from './silent-disk.ts';

/** A start that cannot succeed ends within two seconds (INVARIANTS.md#other-promises), and this is its first step. */
const PATIENCE_MS = 1_200;
/** A busy machine may take so long to start the other process; that is no sign of a hanging file system. */
const START_PATIENCE_MS = 10_000;

/** Writes a byte before it begins: only from then on the file system keeps it waiting. */
const LOOK = `const fs = require('node:fs'); fs.writeSync(1, '.'); try { fs.lstatSync(process['argv'][1]) } catch {}`;

/**
 * Sees that the file system of `path` answers at all, by another process. One of our own threads that waits for a hung
 * file system (NFS) can be neither ended nor left behind: Node joins it at exit, so the process would never end.
 * @throws LastcallError `state-write` when it does not answer within 1.2 s
 */
export async function checkReachable(path: string, clock: Clock): Promise<void> {
  const looker = spawn(process.execPath, ['-e', LOOK, path], { stdio: ['ignore', 'pipe', 'ignore'] });
  const ended = Promise.race([once(looker.stdout, 'close'), once(looker, 'error')]);
  const begun = Promise.race([once(looker.stdout, 'data'), ended]);
  const within = async (ms: number, what: Promise<unknown>): Promise<void> => {
    const late = (): LastcallError => unanswered(path, ms);
    await withDeadline(clock, ms, new AbortController().signal, late, () => what);
  };
  try {
    await within(START_PATIENCE_MS, begun);
    await within(PATIENCE_MS, ended);
  } finally {
    looker.kill('SIGKILL');
    looker.stdout.destroy();
    looker.unref();
  }
}
