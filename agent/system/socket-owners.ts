import { readdir } from 'node:fs/promises';
import { errnoOf } from './error.ts';
import { readPort, socketsOf, TABLES } from './proc-net-tcp.ts';
import { inspectProcess, startTimeOf } from './process.ts';

/** A process that has a socket open; several share one after a fork. */
export interface SocketOwner {
  readonly pid: number;
  readonly startTime: string;
}

/** The listeners on a port, as far as /proc shows them to this user. */
export type Listeners =
  | { readonly kind: 'owned'; readonly owners: readonly SocketOwner[] }
  /** No process listens there. */
  | { readonly kind: 'closed' }
  /** The owner of a socket there is not shown: another user's, another container's, or the kernel's own. */
  | { readonly kind: 'hidden'; readonly user: number };

/**
 * Finds all processes that have a listening socket of this port open (/proc/net/tcp*, /proc/PID/fd), in this network
 * namespace. Whose processes may not be read may share a socket of another user, but none of our own user's.
 * @param port 1 to 65535
 * @throws the system's error when the kernel's table cannot be read, or the signal's reason
 */
export async function listenersOn(port: number, signal: AbortSignal): Promise<Listeners> {
  const { listeners } = await readPort(port, TABLES, signal);
  if (listeners.size === 0) return { kind: 'closed' };
  const { byInode, isWhole } = await ownersOf(new Set(listeners.keys()), signal);
  const own = process.geteuid?.();
  for (const [inode, user] of listeners)
    if (!byInode.has(inode) || (!isWhole && user !== own)) return { kind: 'hidden', user };
  const owners = new Map([...byInode.values()].flat().map((owner) => [owner.pid, owner]));
  return { kind: 'owned', owners: [...owners.values()] };
}

/** The processes that have sockets open, by the sockets' inodes. */
export interface OwnerSearch {
  readonly byInode: ReadonlyMap<string, readonly SocketOwner[]>;
  /** Every process of this machine is listed, and could be read. */
  readonly isWhole: boolean;
}

/**
 * Looks through every process that this user may read.
 * @throws the system's error where /proc cannot be listed, or the signal's reason
 */
export async function ownersOf(inodes: ReadonlySet<string>, signal: AbortSignal): Promise<OwnerSearch> {
  const byInode = new Map<string, SocketOwner[]>();
  // Where /proc hides other users' processes (hidepid, ProtectProc), it does not list them.
  let isWhole = inspectProcess(1) !== 'hidden';
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    signal.throwIfAborted();
    const pid = Number(name);
    // Read before: a process that has the socket afterwards, with another start time, is another process.
    const startTime = startTimeOf(pid);
    const sockets = await socketsOf(pid).catch((error: unknown) => {
      // A process that has ended has no socket.
      if (errnoOf(error) !== 'ENOENT' && errnoOf(error) !== 'ESRCH') isWhole = false;
      return new Set<string>();
    });
    if (startTime === null) continue;
    for (const inode of sockets) {
      if (inodes.has(inode)) byInode.set(inode, [...(byInode.get(inode) ?? []), { pid, startTime }]);
    }
  }
  return { byInode, isWhole };
}
