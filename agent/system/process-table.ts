import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { basename } from 'node:path';
import { errnoOf } from './error.ts';
import { isRunning, inspectProcess, parseStat, pidsOf, runningFor } from './process.ts';

/** A living process as /proc shows it. */
export interface ProcessEntry {
  readonly pid: number;
  readonly parent: number;
  /** Clock ticks since boot, field 22 of /proc/PID/stat. */
  readonly startTime: string;
  /** Its command line; empty for a kernel thread, or where it may not be read. */
  readonly command: readonly string[];
  /** True in another pid namespace than ours: inside it the process has another number. */
  readonly nested: boolean;
}

/** The processes of this machine, as far as /proc shows them to this user. */
export interface ProcessTable {
  /**
   * Those that live and whose program has such a file name, by the first word of the command line; null where /proc hides
   * other users' processes (`hidepid`), so that no absence is proven.
   */
  running(program: RegExp): readonly ProcessEntry[] | null;
  /** One of them; `gone` for a zombie too, `hidden` when it lives and /proc does not show it. */
  at(pid: number): ProcessEntry | 'gone' | 'hidden';
  /** For how long a process with this start time has run, in milliseconds. */
  ageMs(startTime: string): number;
  /** Whether it waits for connections, TCP or unix; null where /proc does not show its sockets to this user. */
  listens(pid: number): boolean | null;
  /** Whether two processes wait at one TCP port of one network namespace; null where /proc does not show it to this user. */
  sharePort(one: number, other: number): boolean | null;
}

/** The real one. It is read anew with each call. */
export const processTable: ProcessTable = {
  // Of most processes the command line alone is read: three files of each were a tenth of a `drain --dry-run`.
  running: (program) =>
    inspectProcess(1) === 'hidden'
      ? null
      : pidsOf().flatMap((pid) => (runsProgram(pid, program) && shown(pid)) || []),
  at(pid) {
    const seen = inspectProcess(pid);
    if (typeof seen === 'string') return seen;
    return isRunning(seen) ? (shown(pid) ?? 'gone') : 'gone';
  },
  ageMs: runningFor,
  listens,
  sharePort,
};

function listens(pid: number): boolean | null {
  try {
    return listeningPlaces(pid).length > 0;
  } catch {
    return null;
  }
}

function sharePort(one: number, other: number): boolean | null {
  try {
    if (readlinkSync(`/proc/${one}/ns/net`) !== readlinkSync(`/proc/${other}/ns/net`)) return false;
    const ports = new Set(listeningPlaces(one).map(({ port }) => port));
    return listeningPlaces(other).some(({ port }) => port !== null && ports.has(port));
  } catch {
    return null;
  }
}

/**
 * Does this process wait for connections at one of these TCP ports? False also where /proc does not show its sockets to
 * this user.
 */
export function listensOn(pid: number, ports: readonly number[]): boolean {
  try {
    return listeningPlaces(pid).some(({ port }) => port !== null && ports.includes(port));
  } catch {
    return false;
  }
}

/**
 * Its listening sockets, by the inodes of its descriptors and the tables of its network namespace (proc(5)).
 * @throws the system's error where /proc does not show them
 */
function listeningPlaces(pid: number): { readonly port: number | null }[] {
  const own = new Set(readdirSync(`/proc/${pid}/fd`).flatMap((fd) => inodeOf(`/proc/${pid}/fd/${fd}`)));
  return TABLES.flatMap(({ name, stateAt, listening, inodeAt, localAt }) =>
    readFileSync(`/proc/${pid}/net/${name}`, 'latin1')
      .split('\n')
      .map((line) => line.trim().split(/\s+/))
      .filter((fields) => fields[stateAt] === listening && own.has(fields[inodeAt] ?? ''))
      .map((fields) => ({ port: localAt === null ? null : portIn(fields[localAt]) })),
  );
}

/** `0100007F:1F90`: address and port, in hexadecimal digits. */
function portIn(local = ''): number {
  return Number.parseInt(local.slice(local.lastIndexOf(':') + 1), 16);
}

/** How a line shows that a socket listens: TCP_LISTEN, and of a unix socket the flag __SO_ACCEPTCON. */
const TABLES = [
  { name: 'tcp', stateAt: 3, listening: '0A', inodeAt: 9, localAt: 1 },
  { name: 'tcp6', stateAt: 3, listening: '0A', inodeAt: 9, localAt: 1 },
  { name: 'unix', stateAt: 3, listening: '00010000', inodeAt: 6, localAt: null },
] as const;

function inodeOf(link: string): string[] {
  try {
    const [, inode] = /^socket:\[(\d+)\]$/.exec(readlinkSync(link)) ?? [];
    return inode === undefined ? [] : [inode];
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return []; // Closed meanwhile.
    throw error;
  }
}

/** The file name of the program with which a command line begins; empty for a kernel thread. */
export function programOf(command: readonly string[]): string {
  return basename(command[0] ?? '');
}

function runsProgram(pid: number, program: RegExp): boolean {
  try {
    return program.test(programOf(commandOf(pid)));
  } catch {
    return false; // Gone meanwhile, or not ours to read.
  }
}

function commandOf(pid: number): string[] {
  return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').slice(0, -1);
}

function shown(pid: number): ProcessEntry | null {
  try {
    const stat = parseStat(readFileSync(`/proc/${pid}/stat`, 'latin1'));
    if (stat === null || !isRunning(stat)) return null;
    const { parent, startTime } = stat;
    return { pid, parent, startTime, command: commandOf(pid), nested: isNested(pid) };
  } catch {
    return null; // Gone meanwhile, or not ours to read.
  }
}

/** `NSpid` (proc(5)) has a number for each pid namespace, from the one of this /proc inwards. */
function isNested(pid: number): boolean {
  const status = readFileSync(`/proc/${pid}/status`, 'latin1');
  const numbers = /^NSpid:\s*(.*)$/m.exec(status)?.[1] ?? '';
  return numbers.trim().split(/\s+/).length > 1;
}
