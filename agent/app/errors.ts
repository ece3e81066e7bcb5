import type { Proof } from '../lifecycle/model/observation.ts';
import { errnoOf, LastcallError } from '../system/error.ts';

/** No process is proven to be the application, so none is signalled (I13). */
export function unprovenError(
  target: string,
  message: string,
  next = 'name the running application: its pid file, or its process number',
): LastcallError {
  return new LastcallError('app-stop', message, { target, elapsedMs: 0, next });
}

/**
 * A stop has succeeded, and the processes that were the application before it are still there.
 * @param what succeeded: `the stop command`
 */
export function outlivedError(what: string, pids: readonly number[], elapsedMs: number): LastcallError {
  const target = `process ${pids.join(', ')}`;
  return new LastcallError('app-stop', `${what} succeeded, but ${target} has not ended`, {
    target,
    elapsedMs,
    next: 'give app.stop a longer timeout, or end it by hand',
  });
}

/** kill(2) finds the process, but /proc does not show it. */
export function hiddenError(pid: number): LastcallError {
  return new LastcallError(
    'app-stop',
    `process ${pid} lives, but /proc does not show it: its owner cannot be proven`,
    {
      target: `process ${pid}`,
      elapsedMs: 0,
      next: 'run lastcall where /proc shows the application (hidepid, another container)',
    },
  );
}

export function notAllowedError(pid: number, cause: unknown): LastcallError {
  return new LastcallError(
    'app-stop',
    `not allowed to signal process ${pid} (${errnoOf(cause) ?? 'unknown error'})`,
    {
      target: `process ${pid}`,
      elapsedMs: 0,
      next: "run lastcall as the application's user, or give it CAP_KILL",
      cause,
    },
  );
}

/** SIGKILL was sent, and long after it the process is still there. */
export function notKilledError({ pid }: Proof, elapsedMs: number): LastcallError {
  return new LastcallError('app-stop', `process ${pid} is still there after SIGKILL`, {
    target: `process ${pid}`,
    elapsedMs,
    next: 'look at what it waits for (state D: a disk or a network file system)',
  });
}

/** @throws LastcallError `app-stop` when the process is not ours to signal */
export function checkPermission({ pid }: Proof): void {
  try {
    process.kill(pid, 0);
  } catch (error) {
    throw notAllowedError(pid, error);
  }
}

/** The warning of a stop that took SIGKILL. */
export function killedWarning(name: NodeJS.Signals, killAfterMs: number): string {
  return `the application did not end within ${killAfterMs / 1000} s of ${name} and was killed`;
}
