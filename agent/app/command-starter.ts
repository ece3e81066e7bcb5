import type { StartConfig } from '../config/config.ts';
import type { CommandConfig } from '../config/command-config.ts';
import { checkAppCommand, runAppCommand, type CommandPorts } from './app-command.ts';
import type { Starter } from './contracts.ts';
import { createSystemdStarter } from './systemd.ts';

/** The way to start the application that the configuration names. */
export function createStarter(config: StartConfig, ports: CommandPorts): Starter {
  return 'unit' in config ? createSystemdStarter(config, ports) : createCommandStarter(config, ports);
}

/** Starts the application by a command that ends with 0 once it has started it, and may leave it behind. */
function createCommandStarter(config: CommandConfig, { clock, searchPath }: CommandPorts): Starter {
  const command = { ...config, role: 'start' } as const;
  return {
    async check(signal) {
      signal.throwIfAborted();
      checkAppCommand(command, searchPath);
    },
    start: (signal) => runAppCommand(command, { clock, signal }),
  };
}
