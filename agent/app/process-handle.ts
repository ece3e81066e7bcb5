import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import type { Proof } from '../lifecycle/model/observation.ts';
import type { Clock } from '../system/clock.ts';
import { errnoOf, LastcallError, messageOf } from '../system/error.ts';
import { processStatus, startTimeOf } from '../system/process.ts';

/** How a process ended; both null when it is not our child: only its parent learns it. */
export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** One life of the application, from its start (or from the moment we found it) to its end. */
export interface ProcessHandle {
  readonly proof: Proof;
  readonly exit: Promise<Exit>;
  /** Ends the watch: `exit` then never resolves, and the watch does not keep this process alive. */
  release(): void;
}

/** How often a process that is not our child is looked at: its end is an event for its parent only. */
const POLL_MS = 50;

/**
 * Starts a program with our stdio in a session, and so a process group, of its own.
 * @param env the whole environment of the program
 * @throws LastcallError `app-health` when it cannot be started
 */
export async function launch(
  command: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Promise<ProcessHandle> {
  const [program = '', ...args] = command;
  try {
    const child = spawn(program, args, { detached: true, stdio: 'inherit', env });
    // Asked at once: until Node has seen its exit the pid cannot be another's.
    const proof = proofOf(child);
    await once(child, 'spawn');
    if (proof !== null) return { proof, exit: exitOf(child), release: () => detach(child) };
    child.kill('SIGKILL');
    throw new Error('/proc does not show it, so it could never be stopped safely');
  } catch (error) {
    throw new LastcallError('app-health', `cannot start ${program}: ${errnoOf(error) ?? messageOf(error)}`, {
      target: command.join(' '),
      elapsedMs: 0,
      next: 'correct the command after --',
      cause: error,
    });
  }
}

/** Watches a process that lastcall did not start. */
export function watchProcess(proof: Proof, clock: Clock): ProcessHandle {
  let cancel = (): void => undefined;
  const exit = new Promise<Exit>((resolve) => {
    const look = (): void => {
      if (processStatus(proof.pid, proof.startTime) === 'gone') resolve({ code: null, signal: null });
      else cancel = clock.after(POLL_MS, look);
    };
    look();
  });
  return { proof, exit, release: () => cancel() };
}

function proofOf({ pid }: ChildProcess): Proof | null {
  const startTime = pid === undefined ? null : startTimeOf(pid);
  return pid === undefined || startTime === null ? null : { pid, startTime };
}

function exitOf(child: ChildProcess): Promise<Exit> {
  return new Promise((resolve) => child.once('exit', (code, signal) => resolve({ code, signal })));
}

function detach(child: ChildProcess): void {
  child.removeAllListeners('exit');
  child.unref();
}
