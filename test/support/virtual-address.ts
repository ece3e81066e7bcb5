import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { freePort } from './ports.ts';

/** An address that leads to one port after another, as keepalived moves it. */
export interface VirtualAddress {
  readonly url: string;
  /** New connections go to this port; those that are open stay where they are. */
  moveTo(port: number): void;
  close(): Promise<void>;
}

/** Listens at a free port and hands connections on to `port`. */
export async function createVirtualAddress(port: number): Promise<VirtualAddress> {
  let target = port;
  const open = new Set<Socket>();
  const server = createServer((client) => {
    const behind = connect({ port: target, host: '127.0.0.1' });
    for (const socket of [client, behind]) {
      open.add(socket);
      socket.on('close', () => open.delete(socket));
      // Either end may be reset: the other one is closed too, and its user sees that.
      socket.on('error', () => [client, behind].forEach((one) => one.destroy()));
    }
    client.pipe(behind).pipe(client);
  });
  const at = await freePort();
  server.listen(at, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${at}`,
    moveTo: (next) => void (target = next),
    async close() {
      server.close();
      for (const socket of open) socket.destroy();
      await once(server, 'close');
    },
  };
}
