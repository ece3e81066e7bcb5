import { readFileSync, readlinkSync } from 'node:fs';
import { inspectProcess, pidsOf } from './process.ts';

/** A living process, by /proc/PID/status (proc(5)). */
export interface VisibleProcess {
  readonly pid: number;
  readonly parent: number;
  /** Real, effective, saved and of the file system: a socket belongs to the last of them (net/socket.c, sock_alloc). */
  readonly users: readonly number[];
}

export interface VisibleProcesses {
  readonly all: readonly VisibleProcess[];
  /** False where /proc hides other users' processes (`hidepid`). */
  readonly isWhole: boolean;
  /**
   * There is no process outside of this list that could have a socket here: this is the machine itself, or a container that
   * is a whole one, with an init. Containers of a pod, and those of the host's network, see each other's sockets, and no processes.
   */
  readonly isMachine: boolean;
}

/** Reads one small file of each process. */
export function visibleProcesses(): VisibleProcesses {
  const all = pidsOf().flatMap((pid) => visible(pid) ?? []);
  return { all, isWhole: inspectProcess(1) !== 'hidden', isMachine: isMachine() };
}

/** These processes and all that they have started, as far as their parents show it. */
export function withDescendants(
  pids: readonly number[],
  all: readonly VisibleProcess[],
): ReadonlySet<number> {
  const children = new Map<number, number[]>();
  for (const { pid, parent } of all) children.set(parent, [...(children.get(parent) ?? []), pid]);
  const found = new Set(pids);
  // A set's iteration goes on with what is added meanwhile.
  for (const pid of found) for (const child of children.get(pid) ?? []) found.add(child);
  return found;
}

function visible(pid: number): VisibleProcess | null {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'latin1');
    const [, state] = /^State:\s*(\S)/m.exec(status) ?? [];
    const [, threads] = /^Threads:\s*(\d+)/m.exec(status) ?? [];
    const [, parent] = /^PPid:\s*(\d+)/m.exec(status) ?? [];
    const [, users = ''] = /^Uid:\s*(.*)$/m.exec(status) ?? [];
    // A zombie has no socket, unless another thread of it still runs.
    if (parent === undefined || (state === 'Z' && threads === '1')) return null;
    return { pid, parent: Number(parent), users: users.trim().split(/\s+/).map(Number) };
  } catch {
    return null; // Gone meanwhile, or hidden.
  }
}

/** PROC_PID_INIT_INO of the kernel (include/linux/proc_ns.h): the first pid namespace of a machine. */
const FIRST_NAMESPACE = 'pid:[4026531836]';
const INITS = ['systemd', 'init'];

function isMachine(): boolean {
  try {
    if (readlinkSync('/proc/self/ns/pid') === FIRST_NAMESPACE) return true;
    return INITS.includes(readFileSync('/proc/1/comm', 'utf8').trim());
  } catch {
    return false;
  }
}
