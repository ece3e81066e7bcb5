import { readlinkSync } from 'node:fs';
import { basename } from 'node:path';
import { withDeadline, type Clock } from '../system/clock.ts';
import { LastcallError } from '../system/error.ts';
import type { Log } from '../system/log-port.ts';
import { inspectProcess } from '../system/process.ts';
import { listenerAmong, listenersOn, type SocketOwner } from '../system/socket-owners.ts';
import type { Stopper } from './contracts.ts';

/** It is done in the background. */
const LEARN_MS = 30_000;
/** A probe waits for it: some milliseconds, unless the machine is overloaded. */
const LOOK_MS = 10_000;
const NEVER = new AbortController().signal;

/**
 * Whether the processes that listen at the application's port are the application. It is known of a port that the application's own
 * process was seen to have; what a proxy or Docker has before it shows nothing, and neither does what /proc hides from this user.
 */
export interface PortHolder {
  /** To be called while the application is known to serve. What cannot be found out leaves what was known. */
  learn(): Promise<void>;
  /**
   * @returns what listens there in the place of the application, in words; null = the application, nothing, or it cannot be known
   * @throws LastcallError `failed` where /proc does not answer in time; the signal's reason
   */
  strangerAt(signal: AbortSignal): Promise<string | null>;
}

interface HolderLook {
  /** The application by its stopper; null = its process has ended, or is not named. */
  readonly own: SocketOwner | null;
  readonly found: readonly SocketOwner[];
}

const NOTHING: HolderLook = { own: null, found: [] };

/**
 * @param port 1 to 65535, in this network namespace
 * @param stopper names the process that is the application
 */
export function createPortHolder(
  port: number,
  stopper: Pick<Stopper, 'check' | 'find'>,
  { clock, log }: { readonly clock: Clock; readonly log: Pick<Log, 'debug'> },
): PortHolder {
  let program: string | null = null;
  let last: SocketOwner | null = null;

  const application = async (signal: AbortSignal): Promise<SocketOwner | null> => {
    const asked = stopper.find ? stopper.find(signal) : stopper.check(signal);
    const found = await asked.catch(() => null);
    signal.throwIfAborted();
    return found && 'pid' in found ? found : null;
  };
  /** All of them, or one that is among the likely ones: the whole of /proc is read where none of these is. */
  const holders = async (likely: readonly number[], signal: AbortSignal): Promise<readonly SocketOwner[]> => {
    const known = await listenerAmong(likely, port, signal).catch(() => null);
    signal.throwIfAborted();
    if (known !== null) return [known];
    const found = await listenersOn(port, signal).catch(() => null);
    signal.throwIfAborted();
    return found?.kind === 'owned' ? found.owners : [];
  };
  const look = async (signal: AbortSignal): Promise<HolderLook> => {
    const own = await application(signal);
    const likely = [own?.pid, last?.pid].filter((pid) => pid !== undefined);
    const found = await holders(likely, signal);
    last = found[0] ?? null;
    return { own, found };
  };
  const inTime = <T>(ms: number, signal: AbortSignal, work: (own: AbortSignal) => Promise<T>): Promise<T> =>
    withDeadline(clock, ms, signal, () => tooSlow(port, ms), work);
  return {
    async learn() {
      const { own, found } = await inTime(LEARN_MS, NEVER, look).catch(() => NOTHING);
      if (own === null || found.length === 0) return;
      const holder = found.find((one) => isRelated(one.pid, own.pid));
      program = holder === undefined ? null : programOf(holder.pid);
      log.debug('who answers the probe', {
        port,
        application: own.pid,
        holders: found.map(({ pid }) => pid),
        program,
      });
    },
    async strangerAt(signal) {
      if (program === null) return null;
      const { own, found } = await inTime(LOOK_MS, signal, look);
      const [first] = found;
      if (first === undefined) return null;
      const isOurs = ({ pid }: SocketOwner): boolean =>
        own === null ? [program, null].includes(programOf(pid)) : isRelated(pid, own.pid);
      if (found.some(isOurs)) return null;
      const is = own === null ? `it was ${program}, and that has ended` : `that is process ${own.pid}`;
      const who = `process ${first.pid} (${programOf(first.pid) ?? 'unknown'})`;
      return `port ${port} is held by ${who}, which is not the application (${is})`;
    },
  };
}

function tooSlow(port: number, elapsedMs: number): LastcallError {
  return new LastcallError('failed', `which process holds port ${port} was not found out`, {
    target: `port ${port}`,
    elapsedMs,
    next: 'see whether this machine is overloaded: /proc is read for it',
  });
}

/** One is the other's ancestor, or both are of one process group, as the processes of a service that forks. */
function isRelated(one: number, other: number): boolean {
  const [groups, more] = [groupOf(one), groupOf(other)];
  return lineOf(one).includes(other) || lineOf(other).includes(one) || (groups !== null && groups === more);
}

/** A process and its ancestors, without init. */
function lineOf(pid: number): number[] {
  const line: number[] = [];
  for (let next = pid; next > 1 && !line.includes(next);) {
    line.push(next);
    const seen = inspectProcess(next);
    next = typeof seen === 'string' ? 0 : seen.parent;
  }
  return line;
}

function groupOf(pid: number): number | null {
  const seen = inspectProcess(pid);
  return typeof seen === 'string' ? null : seen.group;
}

/** The name of its program's file; null where /proc does not show it. */
function programOf(pid: number): string | null {
  try {
    // A file that was replaced meanwhile is shown with this word behind it (proc(5)).
    return basename(readlinkSync(`/proc/${pid}/exe`)).replace(/ \(deleted\)$/, '');
  } catch {
    return null;
  }
}
