import { readdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Status } from '../lifecycle/model/api.ts';
import { PHASES } from '../lifecycle/model/phase.ts';
import { withDeadline, type Clock } from '../system/clock.ts';
import { errnoOf, isLastcallError, LastcallError, messageOf } from '../system/error.ts';
import { createClient } from './client.ts';
import { NO_HTTP } from './http-client.ts';

/** How long a sidecar may take to answer before it counts as one that cannot be asked, in milliseconds. */
const ASK_MS = 2_000;
/** The name of a control socket, which the default path has too. */
const SOCKET = /\.sock$/;

/**
 * The other nodes of this machine that are in service, or may be: a reboot would end their users' sessions.
 * Their sidecars are found by their control sockets, in the directory that ours is in (by default /run/lastcall). One that cannot
 * be asked counts, and so does one that was killed: it leaves its socket, which an orderly end removes. Other programs do not count.
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
    return inService(status);
  } catch (error) {
    signal.throwIfAborted();
    if (isNone(error)) return null;
    const left = isRefused(error) ? '; where its node is no more, remove that file' : '';
    return `the sidecar at ${path} cannot be asked (${messageOf(error)}${left})`;
  }
}

/** Null: it has no users, and gets none. */
function inService(status: Status): string | null {
  const { node, phase } = status;
  if (phase === 'stopped') return null;
  // In these phases the answer to a monitor depends on the fence: the node may be out.
  if (!['by-fence', 'by-both'].includes(PHASES[phase].monitors)) return `${node} is ${phase}`;
  const open = unfenced(status);
  return open.length === 0 ? null : `${node} is ${phase} with ${open.join(' and ')}`;
}

/** In DRAIN (`--no-fence`, a hold) it gets the users who have its cookie. */
function unfenced({ balancers }: Status): readonly string[] {
  return balancers.flatMap(({ name, reachable, servers }) =>
    servers
      // A server that HAProxy does not have shows no state, and gets no users.
      .filter(({ admin }) => admin !== 'maint' && !(reachable && admin === null))
      .map((server) => `${server.name} in ${server.admin?.toUpperCase() ?? 'an unknown state'} at ${name}`),
  );
}

/** There is no such file any more, or another program listens there. */
function isNone(error: unknown): boolean {
  const cause = causeOf(error);
  return errnoOf(cause) === 'ENOENT' || messageOf(cause) === NO_HTTP;
}

function isRefused(error: unknown): boolean {
  return errnoOf(causeOf(error)) === 'ECONNREFUSED';
}

function causeOf(error: unknown): unknown {
  return isLastcallError(error) ? error.cause : undefined;
}
