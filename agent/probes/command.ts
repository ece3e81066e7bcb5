import type { CommandProbeConfig } from '../config/config.ts';
import type { Clock } from '../system/clock.ts';
import { messageOf } from '../system/error.ts';
import { endingOf, runCommand } from '../system/run-command.ts';
import type { Probe } from './probe.ts';

const MAX_OUTPUT_BYTES = 16 * 1024;

/** Healthy when the command ends with exit code 0 in time; otherwise its output is the reason. */
export function createCommandProbe(
  { command }: CommandProbeConfig,
  timeoutMs: number,
  { clock }: { clock: Clock },
): Probe {
  const options = { timeoutMs, maxOutputBytes: MAX_OUTPUT_BYTES };
  return {
    async ask(signal) {
      try {
        const result = await runCommand(command, options, { clock, signal });
        if (result.exitCode === 0 && !result.timedOut) return { kind: 'healthy' };
        return { kind: 'unhealthy', reason: `${command.join(' ')}: ${endingOf(result)}` };
      } catch (error) {
        signal.throwIfAborted();
        return { kind: 'unhealthy', reason: messageOf(error) };
      }
    },
  };
}
