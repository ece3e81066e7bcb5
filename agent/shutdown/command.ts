import type { CommandConfig } from '../config/config.ts';
import { checkAppCommand, runAppCommand, type CommandPorts } from './app-command.ts';
import type { Stopper } from './stopper.ts';

const UNPROVEN = 'the stop command succeeded, but nothing proves that the application is gone';

/**
 * Stops the application by a command, such as `systemctl stop tomcat10`. Exit code 0 is its success. That the
 * application is gone it cannot prove: `gone` is always `unknown`, and the warning stands until the probe says so.
 */
export function createCommandStopper(
  config: CommandConfig,
  { clock, searchPath, stops }: CommandPorts,
): Stopper {
  const command = { ...config, role: 'stop' } as const;
  return {
    // What a command does when it is run again nobody knows (I6).
    repeatable: false,
    gone: () => 'unknown',
    async check(signal) {
      signal.throwIfAborted();
      checkAppCommand(command, searchPath);
      return null;
    },
    async stop(_proof, signal) {
      const until = clock.now() + config.timeoutMs;
      await runAppCommand(command, { clock, signal }, stops && ((leader) => stops.note(leader, until)));
      return { how: 'command', warnings: [UNPROVEN] };
    },
    rejoin: async (signal) => stops?.ended(signal),
  };
}
