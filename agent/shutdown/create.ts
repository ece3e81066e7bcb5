import type { StopConfig } from '../config/config.ts';
import type { CommandPorts } from './app-command.ts';
import { createCommandStopper } from './command.ts';
import { createDockerStopper } from './docker.ts';
import { createHttpStopper } from './http.ts';
import type { NamingPorts } from './named-process.ts';
import { createSignalStopper } from './signal.ts';
import type { Stopper } from './stopper.ts';
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
