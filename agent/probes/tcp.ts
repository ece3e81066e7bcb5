import type { TcpProbeConfig } from '../config/config.ts';
import { withDeadline, type Clock } from '../system/clock.ts';
import { errnoOf, LastcallError, messageOf } from '../system/error.ts';
import { reach } from '../system/tcp.ts';
import type { Probe } from './probe.ts';

/** Healthy when the application accepts a connection, which is closed again at once. */
export function createTcpProbe(
  { host, port }: TcpProbeConfig,
  timeoutMs: number,
  { clock }: { clock: Clock },
): Probe {
  const target = `${host}:${port}`;
  const late = (): LastcallError => new LastcallError('failed', `no connection within ${timeoutMs} ms`);

  return {
    async ask(signal) {
      try {
        await withDeadline(clock, timeoutMs, signal, late, (own) => reach(host, port, own));
        return { kind: 'healthy' };
      } catch (error) {
        signal.throwIfAborted();
        // Two addresses for one name fail with an empty message and a code.
        return {
          kind: 'unhealthy',
          reason: `${target}: ${messageOf(error) || (errnoOf(error) ?? 'no answer')}`,
        };
      }
    },
  };
}
