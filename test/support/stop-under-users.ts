import type { Result, Status } from '../../agent/lifecycle/model/api.ts';
import { createUsers, type Report, type UsersOptions } from '../fixtures/users.ts';
import type { Sidecar } from './sidecar.ts';
import { until } from './until.ts';

/** Clicks every 150 ms or so, and a visit of two seconds. */
const CROWD = { population: 24, thinkMs: 150, stayMs: 2000, pageMs: 20 };

/** How `lastcall stop` ended, and what its users saw. */
export interface Stopped {
  readonly code: number | null;
  readonly stderr: string;
  readonly result: Result;
  readonly report: Report;
}

/**
 * Lets a crowd in, and stops the sidecar's node under it, once each of its sources counts.
 * @param users where they come in, and what differs from the usual crowd
 * @param meanwhile what else happens once the drain has begun
 */
export async function stopUnderUsers(
  sidecar: Sidecar,
  users: Pick<UsersOptions, 'url'> & Partial<UsersOptions>,
  patience: AbortSignal,
  meanwhile: () => Promise<unknown> = () => Promise.resolve(),
): Promise<Stopped> {
  const status = async (): Promise<Status> =>
    JSON.parse((await sidecar.lastcall(['status', '--json'], patience)).stdout) as Status;
  await until('each source counts', async () =>
    (await status()).sessions.sources.every(({ count }) => count !== null),
  );
  const crowd = createUsers({ ...CROWD, ...users });
  await crowd.start();
  try {
    let hasEnded = false;
    // Longer than it takes on a busy machine.
    const words = ['stop', '--reason', 'deploy 41', '--timeout', '90s', '--json'];
    const stopping = sidecar.lastcall(words, patience).finally(() => (hasEnded = true));
    await until('the drain has begun', async () => hasEnded || (await status()).phase !== 'serving');
    await meanwhile();
    const { code, stdout, stderr } = await stopping;
    // The last click of each user is still to come, so a lost session is noticed.
    return { code, stderr, result: JSON.parse(stdout) as Result, report: await crowd.stop() };
  } finally {
    await crowd.stop();
  }
}

/** What has to be true of a stop: done, nothing forced, no request failed, no session lost. */
export const CLEAN = {
  code: 0,
  stderr: '',
  result: { ok: true, code: 'done', phase: 'stopped', forced: 0, sessions: { last: 0 } },
  report: { failed: 0, lost: 0, failures: [] },
} as const;
