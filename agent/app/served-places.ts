import type { ProcessIdentity } from '../lifecycle/model/observation.ts';
import { errnoOf } from '../system/error.ts';
import { listeningSockets, type ListeningSocket } from '../system/listening-sockets.ts';
import { hasAddress, ownAddresses } from '../system/own-addresses.ts';
import { socketsOf } from '../system/proc-net-tcp.ts';
import { unitOf } from '../system/unit-of-process.ts';
import { visibleProcesses, withDescendants, type VisibleProcesses } from '../system/visible-processes.ts';
import type { Stopper } from './contracts.ts';
import { processesOf, stillAlive } from './process-identity.ts';

/** An address of this machine, as HAProxy writes it. */
export interface ServedPlace {
  readonly host: string;
  readonly port: number;
}

/**
 * Who takes connections at a place. `none`: no process of this network namespace, or the address is not this machine's;
 * `unknown`: /proc does not show it to this user, or the application has no proven process now.
 */
export type ServedBy = 'application' | 'other' | 'none' | 'unknown';

/**
 * Finds out which of these places the application itself serves: its processes, and those that they have started, are those
 * that have the listening sockets. Where /proc does not show their sockets to this user, a socket is the application's if
 * every process of the socket's user is. The tables of sockets and the list of processes are read once, whatever the number of places.
 * @param stopper names the processes that are the application
 * @param isUnit they are a unit of systemd, all of which ends with it (systemd.kill(5))
 * @throws the system's error where the kernel's tables cannot be read, the stopper's, or the signal's reason
 */
export async function whoServes(
  places: readonly ServedPlace[],
  { stopper, isUnit }: { readonly stopper: Pick<Stopper, 'check' | 'find'>; readonly isUnit: boolean },
  signal: AbortSignal,
): Promise<readonly ServedBy[]> {
  const sockets = await listeningSockets(signal);
  const accepting = await acceptorsOf(places, sockets);
  if (accepting.every((some) => some.length === 0)) return places.map(() => 'none');
  const named = await (stopper.find ? stopper.find(signal) : stopper.check(signal));
  const judge = await judgeOf(stillAlive(processesOf(named)), isUnit);
  signal.throwIfAborted();
  return accepting.map((some) => together(some.map(judge)));
}

/** The sockets that get the connections to each place; none where its address is not this machine's. */
async function acceptorsOf(
  places: readonly ServedPlace[],
  sockets: readonly ListeningSocket[],
): Promise<readonly (readonly ListeningSocket[])[]> {
  const atPort = new Map<number, ListeningSocket[]>();
  for (const one of sockets) atPort.set(one.port, [...(atPort.get(one.port) ?? []), one]);
  const all = places.map(({ host, port }) => acceptorsAmong(host, atPort.get(port) ?? []));
  const hosts = new Set(places.flatMap(({ host }, at) => (all[at]?.length === 0 ? [] : [host])));
  const own = ownAddresses();
  const isOwn = new Map<string, boolean>();
  for (const host of hosts) isOwn.set(host, await hasAddress(host, own));
  return all.map((some, at) => (isOwn.get(places[at]?.host ?? '') === true ? some : []));
}

/** The kernel prefers the exact address, then IPv4's own wildcard. */
function acceptorsAmong(host: string, sockets: readonly ListeningSocket[]): readonly ListeningSocket[] {
  const ways = [host, ...(host.includes(':') ? [] : ['0.0.0.0']), '::'];
  const all = ways.map((address) => sockets.filter((one) => one.host === address));
  return all.find((some) => some.length > 0) ?? [];
}

/** Several sockets of one address share its connections (SO_REUSEPORT). */
function together(found: readonly ServedBy[]): ServedBy {
  if (found.includes('application')) return 'application';
  if (found.includes('unknown')) return 'unknown';
  return found.length === 0 ? 'none' : 'other';
}

type Judge = (socket: ListeningSocket) => ServedBy;

async function judgeOf(named: readonly ProcessIdentity[], isUnit: boolean): Promise<Judge> {
  if (named.length === 0) return () => 'unknown';
  const processes = visibleProcesses();
  const members = membersOf(named, isUnit, processes);
  const { inodes, areAllShown } = await socketsOfAll(members);
  return ({ inode, user }) => {
    if (inodes.has(inode)) return 'application';
    if (areAllShown) return processes.isWhole ? 'other' : 'unknown';
    return judgedByUser(user, members, processes);
  };
}

function membersOf(
  named: readonly ProcessIdentity[],
  isUnit: boolean,
  { all }: VisibleProcesses,
): ReadonlySet<number> {
  const found = withDescendants(
    named.map(({ pid }) => pid),
    all,
  );
  const [first] = named;
  const unit = isUnit && first !== undefined ? unitOf(first.pid) : null;
  if (unit === null) return found;
  const isOfUnit = (pid: number): boolean => {
    const one = unitOf(pid);
    return one?.name === unit.name && one.manager === unit.manager;
  };
  return new Set([...found, ...all.map(({ pid }) => pid).filter(isOfUnit)]);
}

async function socketsOfAll(
  pids: ReadonlySet<number>,
): Promise<{ readonly inodes: ReadonlySet<string>; readonly areAllShown: boolean }> {
  const inodes = new Set<string>();
  let areAllShown = true;
  for (const pid of pids) {
    const own = await socketsOf(pid).catch((error: unknown) => {
      // A process that has ended has no socket.
      if (errnoOf(error) !== 'ENOENT' && errnoOf(error) !== 'ESRCH') areAllShown = false;
      return new Set<string>();
    });
    for (const inode of own) inodes.add(inode);
  }
  return { inodes, areAllShown };
}

const ROOT = 0;

/** Only a process of the user has made the socket. Root has too many, and is what others were before they gave their rights up. */
function judgedByUser(
  user: number,
  members: ReadonlySet<number>,
  { all, isWhole, isMachine }: VisibleProcesses,
): ServedBy {
  if (user === ROOT || !isWhole || !isMachine) return 'unknown';
  const theirs = all.filter(({ users }) => users.includes(user));
  if (theirs.length === 0) return 'unknown';
  if (theirs.every(({ pid }) => members.has(pid))) return 'application';
  return theirs.some(({ pid }) => members.has(pid)) ? 'unknown' : 'other';
}
