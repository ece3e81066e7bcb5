import type { SourceConfig } from '../config/source-config.ts';
import type { Clock } from '../system/clock.ts';
import { createCommandSource } from './command.ts';
import { createFilesSource } from './files.ts';
import type { HaproxyTarget } from './haproxy-target.ts';
import { createHttpSource } from './http.ts';
import { createIdleSource } from './idle.ts';
import type { Source } from './source.ts';
import { createStickTableSource } from './stick-table.ts';
import { createTcpSource } from './tcp.ts';
import { createTomcatSource } from './tomcat.ts';

export interface SourcePorts {
  readonly clock: Clock;
  /** Every HAProxy that can be asked; default: none. */
  readonly targets?: readonly HaproxyTarget[];
  /** Called once for each problem that an operator should see to although it does not hinder counting. */
  readonly onWarning: (text: string) => void;
}

/** A source as the configuration names it. */
export interface ConfiguredSource extends Source {
  readonly kind: SourceConfig['kind'];
}

/**
 * The sources that the configuration names, in its order. The second of a kind is called `http 2`.
 * @throws LastcallError `config` for what cannot be asked: a URL, a JSON pointer, a pattern that is none
 */
export function createSources(configs: readonly SourceConfig[], ports: SourcePorts): ConfiguredSource[] {
  const seen = new Map<SourceConfig['kind'], number>();
  return configs.map((config) => {
    const number = (seen.get(config.kind) ?? 0) + 1;
    seen.set(config.kind, number);
    const name = number === 1 ? config.kind : `${config.kind} ${number}`;
    return Object.assign(createSource(config, name, ports), { kind: config.kind });
  });
}

function createSource(config: SourceConfig, name: string, given: SourcePorts): Source {
  const ports = { ...given, targets: given.targets ?? [] };
  switch (config.kind) {
    case 'http':
      return createHttpSource(config, name, ports);
    case 'tomcat':
      return createTomcatSource(config, name, ports);
    case 'files':
      return createFilesSource(config, name, ports);
    case 'command':
      return createCommandSource(config, name, ports);
    case 'stickTable':
      return createStickTableSource(config, name, ports);
    case 'tcp':
      return createTcpSource(config, name, ports);
    case 'idle':
      return createIdleSource(config, name, ports);
    default:
      return config satisfies never;
  }
}
