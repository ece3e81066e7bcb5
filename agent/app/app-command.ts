import type { CommandConfig } from '../config/command-config.ts';
import type { Clock } from '../system/clock.ts';
import { isLastcallError, LastcallError } from '../system/error.ts';
import { checkExecutable } from '../system/process.ts';
import { type CommandOptions, endingOf, runCommand } from '../system/run-command.ts';
import type { RunningStopRecord } from './running-stop-record.ts';

const MAX_OUTPUT_BYTES = 16 * 1024;

export interface CommandPorts {
  readonly clock: Clock;
  /** PATH of the environment, in which programs are looked up. */
  readonly searchPath: string | undefined;
  /** Where a stop that is under way is written down, so that it may outlive us; absent in direct mode. */
  readonly stops?: RunningStopRecord;
}

/** A command of the configuration, and the code and the name for its failures. */
export interface AppCommand extends CommandConfig {
  readonly role: 'start' | 'stop';
}

/** @throws LastcallError `app-stop` or `app-health` when the program is missing or not executable */
export function checkAppCommand(command: AppCommand, searchPath: string | undefined): void {
  const why = checkExecutable(command.command[0] ?? '', searchPath);
  if (why !== null) throw failure(command, `cannot run: ${why}`, 0);
}

/**
 * Runs it to its end.
 * @param onLaunched called with the identity of the process; if given, an abort does not end the command
 * @throws LastcallError `app-stop` or `app-health` when it does not end with 0 in time; the signal's reason
 */
export async function runAppCommand(
  command: AppCommand,
  ports: { clock: Clock; signal: AbortSignal },
  onLaunched?: CommandOptions['onLaunched'],
): Promise<void> {
  // A daemon that the start command leaves behind inherits its output. A pipe to us would break when the sidecar
  // is killed, and the application with it; so that output goes where ours goes.
  const maxOutputBytes = command.role === 'start' ? null : MAX_OUTPUT_BYTES;
  try {
    const options = { timeoutMs: command.timeoutMs, maxOutputBytes, ...(onLaunched ? { onLaunched } : {}) };
    const result = await runCommand(command.command, options, ports);
    if (result.exitCode === 0 && !result.timedOut) return;
    throw failure(command, `failed: ${endingOf(result)}`, result.elapsedMs);
  } catch (error) {
    if (isLastcallError(error) && error.code === 'failed') throw failure(command, error.message, 0);
    throw error;
  }
}

function failure({ role, command }: AppCommand, what: string, elapsedMs: number): LastcallError {
  return new LastcallError(role === 'stop' ? 'app-stop' : 'app-health', `the ${role} command ${what}`, {
    target: command.join(' '),
    elapsedMs,
    next: `correct the ${role} command, or ${role} the application by hand`,
  });
}
