import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

/** A way to a TCP port that can be frozen: what was sent meanwhile arrives afterwards, also of a client that gave up. */
export interface FrozenLink {
  readonly port: number;
  freeze(): void;
  thaw(): void;
  close(): Promise<void>;
}

/** @param to the port on 127.0.0.1 */
export async function openFrozenLink(to: number): Promise<FrozenLink> {
  const sockets = new Set<Socket>();
  let isFrozen = false;
  const forward = (from: Socket, onto: Socket): void => {
    sockets.add(from);
    from.on('data', (chunk) => onto.write(chunk));
    from.on('end', () => onto.end());
    // What one side breaks off the other one sees as well.
    from.on('error', () => onto.destroy());
    from.on('close', () => sockets.delete(from));
    if (isFrozen) from.pause();
  };
  const server = createServer({ allowHalfOpen: true }, (client) => {
    const target = connect({ port: to, host: '127.0.0.1', allowHalfOpen: true });
    forward(client, target);
    forward(target, client);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    freeze() {
      isFrozen = true;
      for (const socket of sockets) socket.pause();
    },
    thaw() {
      isFrozen = false;
      for (const socket of sockets) socket.resume();
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
