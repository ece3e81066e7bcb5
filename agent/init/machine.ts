import { basename } from 'node:path';
import { statSync } from 'node:fs';
import type { Endpoint } from '../haproxy/server-keys.ts';
import { errnoOf } from '../system/error.ts';
import { listeningSockets, type ListeningSocket } from '../system/listening-sockets.ts';
import { ownAddresses } from '../system/own-addresses.ts';
import { processTable, type ProcessEntry } from '../system/process-table.ts';
import { pidsOf } from '../system/process.ts';
import { ownersOf, type OwnerSearch } from '../system/socket-owners.ts';
import { unitOf, type ProcessUnit } from '../system/unit-of-process.ts';
import { supervisorIn } from './supervisor.ts';

/** This machine: its addresses, and the processes that listen on it, as far as this user may see them. */
export interface Machine {
  readonly addresses: ReadonlySet<string>;
  /**
   * @param endpoint of this machine
   * @returns its listeners; null = nothing listens there
   */
  listenersAt(endpoint: Endpoint): PortListener | null;
}

/** The listeners at one address and port. */
export interface PortListener {
  /** The sockets' inodes: a socket that takes connections to any address is one of several endpoints. */
  readonly sockets: readonly string[];
  /** One of them takes connections to any address of this machine, the loopback's too. */
  readonly isAny: boolean;
  readonly processes: readonly ListeningProcess[];
  /** Sockets whose processes this user may not see: the users who own them. */
  readonly hidden: readonly number[];
}

export interface ListeningProcess {
  readonly pid: number;
  /** The program's file name, as in `java`, or what it calls itself, as in `php-fpm: pool www`. */
  readonly program: string;
  /** Its arguments. They may hold secrets and are written nowhere. */
  readonly args: readonly string[];
  readonly unit: ProcessUnit | null;
  /** The program of its unit that started it and runs others too: `supervisord`; null = none is seen. */
  readonly supervisor: string | null;
}

/**
 * Looks at all listening sockets and their processes.
 * @param ports of interest; processes of others are not sought
 * @throws LastcallError `failed`, the system's error, or the signal's reason
 */
export async function readMachine(ports: ReadonlySet<number>, signal: AbortSignal): Promise<Machine> {
  const sockets = (await listeningSockets(signal)).filter(({ port }) => ports.has(port));
  const search = await ownersOf(new Set(sockets.map(({ inode }) => inode)), signal);
  const found = new Map<number, ListeningProcess | null>();
  const processAt = (pid: number): ListeningProcess | null => {
    const known = found.get(pid) ?? describe(pid);
    found.set(pid, known);
    return known;
  };
  return {
    addresses: ownAddresses(),
    listenersAt: (endpoint) => listenerOf(socketsAt(sockets, endpoint), search, processAt),
  };
}

/** A socket that is bound to the very address takes the connection before one that is bound to all. */
function socketsAt(
  sockets: readonly ListeningSocket[],
  { host, port }: Endpoint,
): readonly ListeningSocket[] {
  const atPort = sockets.filter((socket) => socket.port === port);
  const exact = atPort.filter((socket) => socket.host === host);
  return exact.length > 0 ? exact : atPort.filter(isAny);
}

function isAny({ host }: ListeningSocket): boolean {
  return host === '0.0.0.0' || host === '::';
}

function listenerOf(
  sockets: readonly ListeningSocket[],
  { byInode }: OwnerSearch,
  processAt: (pid: number) => ListeningProcess | null,
): PortListener | null {
  if (sockets.length === 0) return null;
  const pids = sockets.flatMap(({ inode }) => (byInode.get(inode) ?? []).map(({ pid }) => pid));
  const hidden = sockets.filter(({ inode }) => !byInode.has(inode)).map(({ user }) => user);
  return {
    sockets: sockets.map(({ inode }) => inode),
    isAny: sockets.some(isAny),
    processes: [...new Set(pids)].flatMap((pid) => processAt(pid) ?? []),
    hidden: [...new Set(hidden)],
  };
}

/** Null where it has ended meanwhile. */
function describe(pid: number): ListeningProcess | null {
  const entry = processTable.at(pid);
  if (typeof entry === 'string') return null;
  const [first = '', ...args] = entry.command;
  // Programs such as php-fpm, puma and pm2 write a title in place of their path.
  const program = /^[\w.-]+( v[\d.]+)?: /.test(first) ? first : basename(first);
  const unit = unitOf(pid);
  return { pid, program, args, unit, supervisor: supervisorOf(entry, unit) };
}

/** Among it and its parents, as far as they are of the same unit. */
function supervisorOf(entry: ProcessEntry, unit: ProcessUnit | null): string | null {
  const found = supervisorIn(entry.command);
  if (found !== null || entry.parent <= 1) return found;
  const parent = processTable.at(entry.parent);
  if (typeof parent === 'string' || unitOf(parent.pid)?.name !== unit?.name) return null;
  return supervisorOf(parent, unit);
}

/**
 * The services in which processes of a user run: a hint where the owner of a socket cannot be seen, for the user of
 * each process can.
 */
export function servicesOfUser(user: number): readonly string[] {
  const units = pidsOf().flatMap((pid) => {
    const unit = ownerOf(pid) === user ? unitOf(pid) : null;
    return unit?.manager === 'system' && unit.name.endsWith('.service') ? [unit.name] : [];
  });
  return [...new Set(units)];
}

function ownerOf(pid: number): number | null {
  try {
    return statSync(`/proc/${pid}`).uid;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ESRCH') return null; // Ended meanwhile.
    throw error;
  }
}
