import { readdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Status } from '../lifecycle/model/api.ts';
import { withDeadline, type Clock } from '../system/clock.ts';
import { errnoOf, isLastcallError, LastcallError, messageOf } from '../system/error.ts';
import { createClient } from './client.ts';
import { NO_HTTP } from './http-client.ts';

/** A sidecar that is held up for longer is one that cannot be asked, in milliseconds. */
const ASK_MS = 2_000;
/** How one is recognised: by the name that the default has, too. */
const SOCKET = /\.sock$/;

/**
 * The other nodes of this machine that are in service, or may be: what goes down with the machine takes their users with it.
 * Their sidecars are found by their control sockets, in the directory that ours is in (by default /run/lastcall). One that cannot
 * be asked counts; what is no sidecar, or runs no more, does not.
 * @param ownSocket the path of our own control socket
 * @returns asks once, with a few words for each; it throws the signal's reason, and the system's error where the directory cannot
 *   be read
 */
export function nodesInService(
  ownSocket: string,
  clock: Clock,
): (signal: AbortSignal) => Promise<readonly string[]> {
  const directory = dirname(ownSocket);
  return async (signal) => {
    const names = (await readdir(directory)).filter((name) => SOCKET.test(name)).toSorted();
    const others = names.filter((name) => name !== basename(ownSocket));
    const found = await Promise.all(others.map((name) => describe(join(directory, name), clock, signal)));
    return found.flatMap((words) => words ?? []);
  };
}

async function describe(path: string, clock: Clock, signal: AbortSignal): Promise<string | null> {
  const late = (): LastcallError => new LastcallError('agent-unreachable', `no answer within ${ASK_MS} ms`);
  try {
    const status = await withDeadline(clock, ASK_MS, signal, late, (own) =>
      createClient(path, clock).status(own),
    );
    return isOut(status) ? null : `${status.node} is ${status.phase}`;
  } catch (error) {
    signal.throwIfAborted();
    return isNone(error) ? null : `the sidecar at ${path} cannot be asked (${messageOf(error)})`;
  }
}

/** It has no users, and gets none. */
function isOut({ phase, balancers }: Status): boolean {
  if (phase === 'drained' || phase === 'stopped') return true;
  return (
    phase === 'failed' && balancers.every(({ servers }) => servers.every(({ admin }) => admin === 'maint'))
  );
}

/** Nothing listens there, or another program does. */
function isNone(error: unknown): boolean {
  const { cause } = isLastcallError(error) ? error : { cause: undefined };
  return ['ENOENT', 'ECONNREFUSED'].includes(errnoOf(cause) ?? '') || messageOf(cause) === NO_HTTP;
}
