import { stat } from 'node:fs/promises';
import type { ConditionConfig } from '../config/hooks-config.ts';
import { withDeadline } from '../system/clock.ts';
import { errnoOf, isLastcallError, LastcallError, messageOf } from '../system/error.ts';
import { endingOf, runCommand } from '../system/run-command.ts';
import type { HookPorts } from './hook-call.ts';

/** The condition that has to be met before a scheduled operation is asked for. */
export interface Condition {
  /** Its name in a message: the file, or the program. */
  readonly name: string;
  /**
   * Looks whether it is met now.
   * @throws LastcallError `failed` when that cannot be found out: the file system does not answer, or the command does not
   *   begin, or does not end in time; the signal's reason when aborted
   */
  look(signal: AbortSignal): Promise<ConditionAnswer>;
}

export interface ConditionAnswer {
  readonly isMet: boolean;
  /** For the log: `/run/reboot-required is there`, `is-due: exit code 1`. */
  readonly why: string;
}

/** How long a file system may take to say whether a file is there, in milliseconds. */
const FILE_MS = 5_000;
const MAX_OUTPUT_BYTES = 4_096;

/** @param ports the command gets this environment and LASTCALL_NODE */
export function createCondition(config: ConditionConfig, ports: HookPorts): Condition {
  if (config.kind === 'file')
    return { name: config.path, look: (signal) => lookForFile(config.path, ports, signal) };
  const { command, timeoutMs } = config;
  const [name = ''] = command;
  const env = { ...ports.env, LASTCALL_NODE: ports.node };
  return {
    name,
    async look(signal) {
      const options = { timeoutMs, maxOutputBytes: MAX_OUTPUT_BYTES, env, endsGroup: true };
      const result = await runCommand(command, options, { clock: ports.clock, signal });
      const why = `${name}: ${endingOf(result)}`;
      if (!result.timedOut && result.exitCode !== null) return { isMet: result.exitCode === 0, why };
      throw new LastcallError('failed', why, {
        target: name,
        elapsedMs: result.elapsedMs,
        next: 'let it end with exit code 0 where the operation is due, and with another one where it is not',
      });
    },
  };
}

async function lookForFile(
  path: string,
  { clock }: HookPorts,
  signal: AbortSignal,
): Promise<ConditionAnswer> {
  const began = clock.now();
  const failed = (why: string): LastcallError =>
    new LastcallError('failed', `${path}: ${why}`, {
      target: path,
      elapsedMs: clock.now() - began,
      next: 'let this user see whether the file is there',
    });
  const late = (): LastcallError => failed(`its file system did not answer within ${FILE_MS} ms`);
  try {
    await withDeadline(clock, FILE_MS, signal, late, () => stat(path));
    return { isMet: true, why: `${path} is there` };
  } catch (error) {
    if (signal.aborted || isLastcallError(error)) throw error;
    if (['ENOENT', 'ENOTDIR'].includes(errnoOf(error) ?? ''))
      return { isMet: false, why: `${path} is not there` };
    throw failed(messageOf(error));
  }
}
