import type { Config } from './config.ts';
import type { Finding } from './problem.ts';

const NAMES = ['agentCheck', 'health', 'metrics'] as const;
/** With one of these every address of the machine is listened on. */
const EVERYWHERE: readonly string[] = ['0.0.0.0', '::'];

/**
 * Sees that no two keys of `listen` want the same address.
 * @returns a finding for each later one of two
 */
export function checkListen({ listen }: Pick<Config, 'listen'>): Finding[] {
  return NAMES.flatMap((name, index) =>
    NAMES.slice(0, index).flatMap((before): Finding[] => {
      const [mine, other] = [listen[name], listen[before]];
      if (mine === null || other === null || mine.port !== other.port) return [];
      const meet =
        mine.host === other.host || [mine.host, other.host].some((host) => EVERYWHERE.includes(host));
      if (!meet) return [];
      return [{ path: ['listen', name], message: `wants the port of listen.${before}`, at: 'value' }];
    }),
  );
}
