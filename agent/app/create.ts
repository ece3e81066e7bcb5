import type { StopConfig } from '../config/config.ts';
import type { CommandPorts } from './app-command.ts';
import { createCommandStopper } from './command-stopper.ts';
import { createDockerStopper } from './docker-stopper.ts';
import { createHttpStopper } from './http-stopper.ts';
import type { NamingPorts } from './named-process.ts';
import { createSignalStopper } from './signal-stopper.ts';
import type { Stopper } from './contracts.ts';
import { createSystemdStopper } from './systemd.ts';

/** The way to stop the application that the configuration names. */
export function createStopper(config: StopConfig, ports: CommandPorts & NamingPorts): Stopper {
  switch (config.kind) {
    case 'signal':
      return createSignalStopper(config, ports);
    case 'command':
      return createCommandStopper(config, ports);
    case 'systemd':
      return createSystemdStopper(config, ports);
    case 'http':
      return createHttpStopper(config, ports);
    case 'docker':
      return createDockerStopper(config, ports);
    default:
      return config satisfies never;
  }
}
