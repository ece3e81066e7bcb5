import { constants, existsSync } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { World } from './compose.ts';
import type { Config } from './config/config.ts';
import type { Examination } from './doctor/examination.ts';
import { attempt } from './doctor/readout.ts';
import { createLock } from './fleet/create.ts';
import { errnoOf, LastcallError, messageOf } from './system/error.ts';

/** What this user may do at the places that an operation writes to: asked by `doctor`, which writes nothing there. */

/** @returns why this user cannot write to a directory, or make it; null = it can */
export async function whyUnwritable(directory: string): Promise<string | null> {
  try {
    await stat(directory);
    await access(directory, constants.W_OK | constants.X_OK);
    return null;
  } catch (error) {
    const isRoot = dirname(directory) === directory;
    if (errnoOf(error) === 'ENOENT' && !isRoot) return whyUnwritable(dirname(directory));
    return messageOf(error);
  }
}

/**
 * Asks the pool's lock once, as a drain would before anything else.
 * @returns null where none is configured
 */
export async function readLock(
  config: Config,
  { clock, log }: World,
  signal: AbortSignal,
): Promise<Examination['lock']> {
  const { lock } = config;
  const asked = createLock(config, { clock, log });
  if (lock === null || asked === null) return null;
  return attempt(async () => {
    try {
      const why = lock.kind === 'file' ? await whyUnwritable(lock.path) : null;
      if (why !== null) throw new LastcallError('locked', why, { target: lock.kind });
      // The first node that asks makes the directory, as its own user: doctor, which root may call, does not.
      if (lock.kind === 'file' && !existsSync(lock.path)) return;
      await asked.look(signal);
    } finally {
      await asked.close();
    }
  });
}
