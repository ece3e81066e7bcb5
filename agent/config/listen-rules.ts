import type { Config } from './config.ts';
import type { Finding } from './problem.ts';

const NAMES = ['agentCheck', 'health', 'metrics', 'hooks'] as const;
/** Each of these means every address of the machine. */
const EVERYWHERE: readonly string[] = ['0.0.0.0', '::'];

/**
 * Sees that no two keys of `listen` want the same address, and that no other host may drain the node without a token.
 * @returns a finding for each later one of two, and for a port without a token
 */
export function checkListen({ listen }: Pick<Config, 'listen'>): Finding[] {
  return [...checkPorts(listen), ...checkToken(listen)];
}

function checkToken({ hooks }: Config['listen']): Finding[] {
  if (hooks === null || hooks.tokenFile !== null || isLoopback(hooks.host)) return [];
  const message = 'needs a tokenFile: without one every host that reaches this address could drain the node';
  return [{ path: ['listen', 'hooks'], message, at: 'value' }];
}

/** Is this an address that only processes of this machine reach? A name may come to mean another address. */
export function isLoopback(host: string): boolean {
  return host === '::1' || /^127(?:\.\d{1,3}){3}$/.test(host);
}

function checkPorts(listen: Config['listen']): Finding[] {
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
