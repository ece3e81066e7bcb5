import type { CommandConfig } from '../config/config.ts';
import { checkAppCommand, runAppCommand, type CommandPorts } from './app-command.ts';
import type { Starter } from './stopper.ts';

/** Starts the application by a command that ends with 0 once it has started it, and may leave it behind. */
export function createStarter(config: CommandConfig, { clock, searchPath }: CommandPorts): Starter {
  const command = { ...config, role: 'start' } as const;
  return {
    async check(signal) {
      signal.throwIfAborted();
      checkAppCommand(command, searchPath);
    },
    start: (signal) => runAppCommand(command, { clock, signal }),
  };
}
