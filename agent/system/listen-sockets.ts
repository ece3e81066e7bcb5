import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** TCP addresses that are listened on, whoever serves them at the moment: they stay open while the server changes. */
export interface ListenSockets {
  /**
   * Listens on the address, where nobody does yet. Who connects before `take` waits.
   * @returns the port; @throws the system's error when the address cannot be listened on
   */
  open(address: ListenAddress): Promise<number>;
  /**
   * Gives every new connection of an open address to `serve`, in place of who had it; the answer gives the address up.
   * A connection that has been given stays with the one who got it.
   */
  take(address: ListenAddress, serve: (socket: Socket) => void): () => void;
  /** Closes every address that nobody has taken, or all of them, with their connections. */
  close(which: 'untaken' | 'all'): Promise<void>;
}

export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

/** So many connections wait for the next server of their address; the oldest gives way. */
const WAITING = 256;

interface Door {
  readonly server: Server;
  readonly open: Set<Socket>;
  readonly waiting: Set<Socket>;
  serve: ((socket: Socket) => void) | null;
}

export function createListenSockets(): ListenSockets {
  const doors = new Map<string, Door>();

  return {
    async open({ host, port }) {
      const key = keyOf({ host, port });
      const known = doors.get(key);
      if (known) return portOf(known.server);
      const door = createDoor();
      await listening(door.server, { host, port });
      doors.set(key, door);
      return portOf(door.server);
    },
    take(address, serve) {
      const door = doors.get(keyOf(address));
      if (!door) throw new Error(`${keyOf(address)} is not listened on`);
      door.serve = serve;
      for (const socket of door.waiting) serve(socket);
      door.waiting.clear();
      return () => {
        if (door.serve === serve) door.serve = null;
      };
    },
    async close(which) {
      const leaving = [...doors].filter(([, { serve }]) => which === 'all' || serve === null);
      await Promise.all(
        leaving.map(([key, door]) => {
          doors.delete(key);
          return shut(door);
        }),
      );
    },
  };
}

function createDoor(): Door {
  const open = new Set<Socket>();
  const waiting = new Set<Socket>();
  const door: Door = {
    // A caller that closes its own direction first still wants the answer; small answers leave at once.
    server: createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      open.add(socket);
      socket.once('close', () => {
        open.delete(socket);
        waiting.delete(socket);
      });
      if (door.serve) return door.serve(socket);
      socket.on('error', () => undefined);
      waiting.add(socket);
      if (waiting.size > WAITING) [...waiting][0]?.destroy();
    }),
    open,
    waiting,
    serve: null,
  };
  return door;
}

function listening(server: Server, { host, port }: ListenAddress): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

function shut({ server, open }: Door): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    for (const socket of open) socket.destroy();
  });
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}

function keyOf({ host, port }: ListenAddress): string {
  return `${host}:${port}`;
}
