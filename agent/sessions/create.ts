import type { SourceConfig } from '../config/config.ts';
import type { Clock } from '../system/clock.ts';
import { createHttpSource } from './http.ts';
import type { Source } from './source.ts';

/**
 * The sources that the configuration names, in its order. The second of a kind is called `http 2`.
 * @throws LastcallError `config` for a URL or a JSON pointer that is none
 */
export function createSources(configs: readonly SourceConfig[], ports: { clock: Clock }): Source[] {
  return configs.map((config, index) => {
    const name = index === 0 ? config.kind : `${config.kind} ${index + 1}`;
    return createHttpSource(config, name, ports);
  });
}
