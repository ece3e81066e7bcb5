import { connect, type Socket } from 'node:net';
import { boundedLookup } from './lookup.ts';

/**
 * Resolves when a process accepts a connection, which is closed again at once.
 * @throws the system's error; an abort only ends the waiting for it
 */
export function reach(host: string, port: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, lookup: boundedLookup });
    signal.addEventListener('abort', () => socket.destroy(), { once: true });
    socket.once('error', reject);
    socket.once('connect', () => {
      const itself = isItself(socket);
      socket.destroy();
      if (itself) reject(new Error('no process listens; the connection met itself'));
      else resolve();
    });
  });
}

/**
 * A port of the ephemeral range on which no process listens may be given to our own end of the connection, and TCP
 * then connects it to itself (simultaneous open, RFC 9293 3.5).
 */
export function isItself(socket: Socket): boolean {
  return socket.localPort === socket.remotePort && socket.localAddress === socket.remoteAddress;
}
