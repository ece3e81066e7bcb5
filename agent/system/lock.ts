import { constants } from 'node:fs';
import { link, open, readdir, realpath, unlink } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { basename, dirname, join, resolve } from 'node:path';
import type { Clock } from './clock.ts';
import { makeDirectory } from './directory.ts';
import { LastcallError, errnoOf, isLastcallError, messageOf } from './error.ts';
import { randomId } from './random-id.ts';
import { whyNotTrusted } from './trust.ts';
import { answersAt } from './unix-probe.ts';

/** The right to be the one sidecar of a node; held until it is released or the process ends, however it ends. */
export interface NodeLock {
  /** Why nothing but the control socket keeps a second sidecar away; null = the lock is whole. */
  readonly warning: string | null;
  release(): Promise<void>;
}

/**
 * Errors of a broken file system: no process can take a lock there now, and an operation under way must be ended all the
 * same.
 */
const ILL: ReadonlySet<string | undefined> = new Set(['EROFS', 'ENOSPC', 'EDQUOT', 'EIO']);

/** Each round that is not the last one is another process's progress. */
const ROUNDS = 100;

/**
 * Takes the right to be the one sidecar of a node: a listening unix socket in the directory `STATE.lock`, mode
 * 0700, beside the state file. The kernel ends the socket with its process (kill -9 included), every network
 * namespace sees it, and only a user that may write to the directory can take it.
 *
 * The sockets have numbers, and the one with the highest number holds the lock while a process listens at it. A
 * dead one never lives again, and its successor gets the next number by link(2), which only one of several can:
 * nothing that may be alive is ever removed or replaced. So the last socket stays behind when its process ends. On
 * a file system that is full or read-only it is given without a socket, with a warning, where no process holds it.
 * @param stateFile path of the state file; it need not exist yet
 * @throws LastcallError `busy` when another process holds it, `state-write` when the directory will not do
 */
export async function lockNode(node: string, stateFile: string, clock: Clock): Promise<NodeLock> {
  const path = `${await resolved(resolve(stateFile))}.lock`;
  const server = createServer((socket) => socket.destroy());
  try {
    await makeDirectory(path);
    const directory = await open(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
    try {
      const why = whyNotTrusted(await directory.stat());
      if (why !== null) throw unusable(path, why);
      // By this name the path is short enough for a socket, whatever the directory's is.
      if (!(await holds(server, `/proc/self/fd/${directory.fd}`, clock))) throw busy(node, stateFile);
    } finally {
      await directory.close();
    }
  } catch (error) {
    await closed(server);
    if (isLastcallError(error)) throw error;
    if (!ILL.has(errnoOf(error))) throw unusable(path, messageOf(error), error);
    if (await isHeld(path, clock)) throw busy(node, stateFile);
    const warning = `${path}: ${messageOf(error)}: only the control socket keeps a second sidecar away`;
    return { warning, release: () => Promise.resolve() };
  }
  server.unref();
  return { warning: null, release: () => closed(server) };
}

async function isHeld(path: string, clock: Clock): Promise<boolean> {
  const handle = await open(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW).catch(
    unlessMissing,
  );
  if (!handle) return false;
  try {
    return (await deadIn(`/proc/self/fd/${handle.fd}`, clock)) === 'held';
  } finally {
    await handle.close();
  }
}

/** The highest number, where no process listens at it; 0 where there is none. */
async function deadIn(directory: string, clock: Clock): Promise<number | 'held'> {
  const [last = 0] = await numbersIn(directory);
  return last > 0 && (await answersAt(join(directory, String(last)), clock)) ? 'held' : last;
}

/** @returns false when another process holds it */
async function holds(server: Server, directory: string, clock: Clock): Promise<boolean> {
  const own = `new-${randomId()}`;
  await listening(server, join(directory, own));
  try {
    for (let round = 0; round < ROUNDS; round += 1) {
      const last = await deadIn(directory, clock);
      if (last === 'held') return false;
      const mine = last + 1;
      if (!(await linked(join(directory, own), join(directory, String(mine))))) continue;
      // The holder of a higher number may have removed ours, which we have then made anew.
      const [highest = 0, ...lower] = await numbersIn(directory);
      if (highest === mine) {
        for (const number of lower) await unlink(join(directory, String(number))).catch(unlessMissing);
        await clean(directory, own, clock);
        return true;
      }
      await unlink(join(directory, String(mine))).catch(unlessMissing);
    }
    return false;
  } finally {
    await unlink(join(directory, own)).catch(unlessMissing);
  }
}

/** Removes the sockets of processes that were killed in the middle of taking the lock. */
async function clean(directory: string, own: string, clock: Clock): Promise<void> {
  for (const name of await readdir(directory)) {
    const path = join(directory, name);
    if (!name.startsWith('new-') || name === own || (await answersAt(path, clock))) continue;
    await unlink(path).catch(unlessMissing);
  }
}

/** Highest first. */
async function numbersIn(directory: string): Promise<number[]> {
  const names = (await readdir(directory)).filter((name) => /^\d{1,15}$/.test(name));
  return names.map(Number).toSorted((one, other) => other - one);
}

/** @returns false when the name is another one's, or a holder took `from` for one that was left */
async function linked(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if (errnoOf(error) === 'EEXIST' || errnoOf(error) === 'ENOENT') return false;
    throw error;
  }
}

function unlessMissing(error: unknown): undefined {
  if (errnoOf(error) !== 'ENOENT') throw error;
}

function listening(server: Server, path: string): Promise<void> {
  return new Promise((done, fail) => {
    server.once('error', fail);
    server.listen(path, () => {
      server.off('error', fail);
      done();
    });
  });
}

function closed(server: Server): Promise<void> {
  return new Promise((done) => {
    server.close(() => done());
  });
}

function busy(node: string, stateFile: string): LastcallError {
  return new LastcallError(
    'busy',
    `another sidecar already runs for node ${node} (state file ${stateFile})`,
    { target: node, next: 'stop it first, or give this node its own `node` and `state`' },
  );
}

function unusable(path: string, why: string, cause?: unknown): LastcallError {
  return new LastcallError('state-write', `the lock of the node cannot be taken at ${path}: ${why}`, {
    target: path,
    next: "set `state` to a place on a local disk where lastcall's user alone may write",
    cause,
  });
}

/** The path without symbolic links, so that two names of one file are one lock; the part that is missing stays. */
async function resolved(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (error) {
    const parent = dirname(path);
    if (errnoOf(error) !== 'ENOENT' || parent === path) return path;
    return join(await resolved(parent), basename(path));
  }
}
