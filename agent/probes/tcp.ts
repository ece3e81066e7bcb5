import { connect, type Socket } from 'node:net';
import type { TcpProbeConfig } from '../config/config.ts';
import { withDeadline, type Clock } from '../system/clock.ts';
import { errnoOf, LastcallError, messageOf } from '../system/error.ts';
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

function reach(host: string, port: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port });
    signal.addEventListener('abort', () => socket.destroy(), { once: true });
    socket.once('error', reject);
    socket.once('connect', () => {
      const itself = isItself(socket);
      socket.destroy();
      if (itself) reject(new Error('nobody listens; the connection met itself'));
      else resolve();
    });
  });
}

/**
 * A port of the ephemeral range on which nobody listens may be given to our own end of the connection, and TCP then
 * connects it to itself (simultaneous open, RFC 9293 3.5).
 */
export function isItself(socket: Socket): boolean {
  return socket.localPort === socket.remotePort && socket.localAddress === socket.remoteAddress;
}
