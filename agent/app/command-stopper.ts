import type { CommandStopConfig } from '../config/config.ts';
import { checkAppCommand, runAppCommand, type CommandPorts } from './app-command.ts';
import type { NamingPorts } from './named-process.ts';
import type { Stopper } from './contracts.ts';
import { watchedStopper } from './watched-stopper.ts';

/**
 * Stops the application by a command, such as `catalina.sh stop`, whose exit code 0 is its success. Many return before
 * the application has ended: see `watchedStopper`.
 */
export function createCommandStopper(config: CommandStopConfig, ports: CommandPorts & NamingPorts): Stopper {
  const { clock, searchPath, stops } = ports;
  const { timeoutMs, gone, idempotent } = config;
  const command = { command: config.command, timeoutMs, role: 'stop' } as const;
  const spec = {
    how: 'command',
    what: 'the stop command',
    timeoutMs,
    gone,
    isIdempotent: idempotent,
    check: () => checkAppCommand(command, searchPath),
  };
  return watchedStopper(
    {
      ...spec,
      async act(stop, signal) {
        const ports = { clock, signal };
        await runAppCommand(command, ports, stops && ((leader) => stops.note(leader, stop)));
        return null;
      },
    },
    ports,
  );
}
