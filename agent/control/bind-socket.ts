import { chmod, chown, lstat, mkdir, mkdtemp, open, readFile, rename, rmdir, unlink } from 'node:fs/promises';
import type { Server } from 'node:net';
import { basename, dirname, join } from 'node:path';
import type { ControlConfig } from '../config/config.ts';
import { LastcallError, errnoOf, messageOf } from '../system/error.ts';
import { listenCode } from '../system/listen-error.ts';
import type { Clock } from '../system/clock.ts';
import { answersAt } from '../system/unix-probe.ts';
import { checkSocketPath } from './protocol.ts';

/** Removes the socket's file, unless it is a successor's by now. */
export type Unbind = () => Promise<void>;

/**
 * Lets `server` listen at the configured path with the configured mode and group. No caller can connect before mode
 * and group are right: the socket is made in a private directory (0700) and moved to its place.
 * @throws LastcallError `busy` when another sidecar answers there, `config` when the path, group or directory won't
 *   do, `failed` for what may be mended by the next try (`listenCode`)
 */
export async function bindSocket(server: Server, config: ControlConfig, clock: Clock): Promise<Unbind> {
  checkSocketPath(config.path);
  const gid = config.group === null ? null : await groupId(config.group);
  try {
    await mkdir(dirname(config.path), { recursive: true, mode: 0o750 });
    await clearStale(config.path, clock);
    return await bind(server, config, gid);
  } catch (error) {
    if (errnoOf(error)?.startsWith('E') !== true) throw error;
    throw unusable(config.path, `cannot be made: ${messageOf(error)}`, error);
  }
}

/**
 * The path given to `listen` goes by /proc/self/fd: it stays short whatever the directory's name, and when Node
 * removes "its" path on close (nodejs/node#19729), it is not the one where a successor may listen by then.
 */
async function bind(server: Server, config: ControlConfig, gid: number | null): Promise<Unbind> {
  const privateDir = await mkdtemp(join(dirname(config.path), '.lastcall-'));
  const name = `${basename(privateDir)}.sock`;
  const made = join(privateDir, name);
  const directory = await open(privateDir, 'r');
  try {
    await listen(server, `/proc/self/fd/${directory.fd}/${name}`);
    await chmod(made, config.mode);
    if (gid !== null) await chown(made, -1, gid);
    const own = await lstat(made, { bigint: true });
    await rename(made, config.path);
    return () => unlinkOwn(config.path, own.ino, own.dev);
  } finally {
    await directory.close();
    await unlink(made).catch(unlessMissing);
    await rmdir(privateDir);
  }
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((done, fail) => {
    server.once('error', fail);
    server.listen(path, () => {
      server.off('error', fail);
      done();
    });
  });
}

async function unlinkOwn(path: string, ino: bigint, dev: bigint): Promise<void> {
  const found = await lstat(path, { bigint: true }).catch(unlessMissing);
  if (found?.ino === ino && found.dev === dev) await unlink(path).catch(unlessMissing);
}

function unlessMissing(error: unknown): undefined {
  if (errnoOf(error) !== 'ENOENT') throw error;
}

/** A socket left by a sidecar that was killed refuses connections and is removed; a living one is left alone. */
async function clearStale(path: string, clock: Clock): Promise<void> {
  const found = await lstat(path).catch(unlessMissing);
  if (found === undefined) return;
  if (!found.isSocket()) throw unusable(path, 'exists and is not a socket');
  if (await answersAt(path, clock)) {
    throw new LastcallError('busy', `another sidecar answers at the control socket ${path}`, {
      target: path,
      next: 'stop it first, or set another `listen.control`',
    });
  }
  await unlink(path).catch(unlessMissing);
}

/**
 * The number of a group given by name or by number. Node has no getgrnam: /etc/group is what there is.
 * @throws LastcallError `config`
 */
async function groupId(group: string): Promise<number> {
  if (/^\d+$/.test(group)) return Number(group);
  const lines = (await readFile('/etc/group', 'utf8')).split('\n').map((line) => line.split(':'));
  const gid = lines.find(([name]) => name === group)?.[2];
  if (gid !== undefined && /^\d+$/.test(gid)) return Number(gid);
  throw new LastcallError(
    'config',
    `the control socket's group ${JSON.stringify(group)} is not in /etc/group`,
    {
      target: group,
      next: 'create the group, or give `listen.control.group` its number',
    },
  );
}

function unusable(path: string, problem: string, cause?: unknown): LastcallError {
  const code = cause === undefined ? 'config' : listenCode(cause);
  return new LastcallError(code, `the control socket ${path} ${problem}`, {
    target: path,
    next: 'set `listen.control` to a path in a directory that the sidecar may write to',
    cause,
  });
}
