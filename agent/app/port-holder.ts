import { readlinkSync } from 'node:fs';
import { basename } from 'node:path';
import { withDeadline, type Clock } from '../system/clock.ts';
import { LastcallError, messageOf } from '../system/error.ts';
import type { Log } from '../system/log-port.ts';
import { inspectProcess } from '../system/process.ts';
import { listenerAmong, listenersOn, type SocketOwner } from '../system/socket-owners.ts';
import type { ProcessIdentity } from '../lifecycle/model/observation.ts';
import type { Stopper } from './contracts.ts';
import { processesOf } from './process-identity.ts';

/** It is done in the background. */
const LEARN_MS = 30_000;
/** A probe waits for it: some milliseconds, unless the machine is overloaded. */
const LOOK_MS = 10_000;
const NEVER = new AbortController().signal;

/**
 * Whether the processes that listen at the application's port are the application. It is judged once the application's own process
 * was seen among them. Only a program that was never seen at that port in service, and has nothing to do with the process that the
 * stopper names, is none of the application's: a node that is wrongly kept out costs more than a stranger that is let in. What
 * Docker has before the application shows nothing, and neither does what /proc hides from this user.
 */
export interface PortHolder {
  /** To be called while the application is known to serve. What cannot be found out leaves what was known. */
  learn(): Promise<void>;
  /**
   * @returns what listens there in the place of the application, in words; null = the application, nothing, or it cannot be known
   * @throws the signal's reason
   */
  strangerAt(signal: AbortSignal): Promise<string | null>;
}

/**
 * @param port 1 to 65535, in this network namespace
 * @param stopper names the processes that are the application
 */
export function createPortHolder(
  port: number,
  stopper: Pick<Stopper, 'check' | 'find'>,
  ports: { readonly clock: Clock; readonly log: Pick<Log, 'debug'> },
): PortHolder {
  /** What listened there in service, by `familyOf`; empty = the application was not seen there. */
  const programs = new Set<string>();
  /** The one that was taken for the application last: it spares a look through all of /proc. */
  let last: SocketOwner | null = null;

  const look = async (signal: AbortSignal): Promise<string | null> => {
    const own = await applicationOf(stopper, signal);
    const isOurs = ({ pid }: SocketOwner): boolean => {
      const program = programOf(pid);
      return (
        program === null || programs.has(familyOf(program)) || own.some((one) => isRelated(pid, one.pid))
      );
    };
    const likely = [...own, ...(last === null ? [] : [last])].map(({ pid }) => pid);
    const known = await orNull(listenerAmong(likely, port, signal), signal);
    if (known !== null && isOurs(known)) return null;
    const found = await holdersOf(port, signal);
    last = found.find(isOurs) ?? null;
    const [first] = found;
    if (first === undefined || last !== null) return null;
    const who = `process ${first.pid} (${programOf(first.pid) ?? 'unknown'})`;
    return `port ${port} is held by ${who}, which is not the application (in service that was ${[...programs].join(', ')})`;
  };
  const learn = async (signal: AbortSignal): Promise<void> => {
    const own = await applicationOf(stopper, signal);
    const found = await holdersOf(port, signal);
    if (!found.some((one) => own.some(({ pid }) => isRelated(one.pid, pid)))) return;
    const holders = found.map(({ pid }) => pid);
    for (const program of holders.map(programOf)) if (program !== null) programs.add(familyOf(program));
    ports.log.debug('who answers the probe', { port, holders, programs: [...programs] });
  };
  /** What is not found out within the time is null. */
  const inTime = <T>(
    ms: number,
    signal: AbortSignal,
    work: (own: AbortSignal) => Promise<T>,
  ): Promise<T | null> =>
    withDeadline(ports.clock, ms, signal, () => tooSlow(port, ms), work).catch((error: unknown) => {
      signal.throwIfAborted();
      ports.log.debug('the processes that listen were not found out', { port, error: messageOf(error) });
      return null;
    });
  return {
    async learn() {
      await inTime(LEARN_MS, NEVER, learn);
    },
    async strangerAt(signal) {
      return programs.size === 0 ? null : inTime(LOOK_MS, signal, look);
    },
  };
}

/** The processes that are the application; none where the stopper names none now. */
async function applicationOf(
  stopper: Pick<Stopper, 'check' | 'find'>,
  signal: AbortSignal,
): Promise<readonly ProcessIdentity[]> {
  return processesOf(await orNull(stopper.find ? stopper.find(signal) : stopper.check(signal), signal));
}

/** All processes that listen there; none where /proc hides one. */
async function holdersOf(port: number, signal: AbortSignal): Promise<readonly SocketOwner[]> {
  const found = await orNull(listenersOn(port, signal), signal);
  return found?.kind === 'owned' ? found.owners : [];
}

/** @throws the signal's reason */
async function orNull<T>(asked: Promise<T>, signal: AbortSignal): Promise<T | null> {
  const found = await asked.catch(() => null);
  signal.throwIfAborted();
  return found;
}

function tooSlow(port: number, elapsedMs: number): LastcallError {
  return new LastcallError('failed', `which process holds port ${port} was not found out`, {
    target: `port ${port}`,
    elapsedMs,
    next: 'see whether this machine is overloaded: /proc is read for it',
  });
}

/** The name of a program without a version at its end: `python3.11`, `php-fpm8.2` and `app-1.4.2` get other ones in a deploy. */
function familyOf(program: string): string {
  return program.replace(/[-_.]?v?\d[\d._-]*$/, '') || program;
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
