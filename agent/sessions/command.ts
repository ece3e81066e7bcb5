import type { CommandSourceConfig } from '../config/source-config.ts';
import type { Clock } from '../system/clock.ts';
import { endingOf, runCommand, type CommandResult } from '../system/run-command.ts';
import { countOrThrow, parseCount, type CountProblem } from '../formats/parse-count.ts';
import type { Source } from './source.ts';

/** A number and some text on stderr; a command that writes more does not only count. */
const MAX_OUTPUT_BYTES = 4096;

/**
 * Runs a command that prints the number of user sessions and nothing else. It has to end with exit code 0, in time,
 * and to leave no process behind in its group: it is run over and over.
 */
export function createCommandSource(
  { command, timeoutMs }: CommandSourceConfig,
  name: string,
  { clock }: { clock: Clock },
): Source {
  const options = { timeoutMs, maxOutputBytes: MAX_OUTPUT_BYTES, endsGroup: true };
  return {
    name,
    async count(signal) {
      const result = await runCommand(command, options, { clock, signal });
      return countOrThrow(read(result), {
        // Without the arguments, which may hold a secret.
        target: command[0] ?? '',
        elapsedMs: result.elapsedMs,
        next: 'let it print nothing but the number of sessions, and end with exit code 0',
      });
    },
  };
}

function read(result: CommandResult): number | CountProblem {
  if (result.timedOut || result.exitCode !== 0) return { problem: endingOf(result) };
  if (result.left) return { problem: 'it left processes behind, which were ended' };
  if (result.truncated) return { problem: `it printed more than ${MAX_OUTPUT_BYTES} bytes` };
  return parseCount(result.stdout);
}
