import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { type Clock, sleep } from './clock.ts';
import { createConnectionCap, type ConnectionCap } from './connection-cap.ts';
import { LastcallError } from './error.ts';
import { cannotListen, listenCode, type ListenPlace } from './listen-error.ts';

/**
 * TCP addresses that are listened on, whatever server uses them at the moment: they stay open while the server
 * changes.
 */
export interface ListenSockets {
  /**
   * Listens on the address, unless we do already. A client that connects before `take` waits. An address that
   * another process has is tried for a while: the process before us may be ending.
   * @returns the port
   * @throws LastcallError `busy` | `config` | `failed` (`listenCode`) when it cannot be listened on; `interrupted`
   *   when all addresses are closed meanwhile
   */
  open(place: ListenPlace): Promise<number>;
  /**
   * Gives every new connection of an open address to `serve`, in place of its present server; the returned function gives the address up.
   * A connection that was given to a server stays with it.
   */
  take(address: Pick<ListenPlace, 'host' | 'port'>, serve: (socket: Socket) => void): () => void;
  /** Closes every address that no server has taken, or all of them, with their connections. */
  close(which: 'untaken' | 'all'): Promise<void>;
}

/** How long a busy address is tried. A start that cannot succeed ends within two seconds (INVARIANTS.md#other-promises). */
const BUSY_MS = 1_500;
/** The least time for a busy address, however slowly the process has begun, in milliseconds. */
const BUSY_LEAST_MS = 500;

/** What is left of the time for a busy address in a process that has lived for so many milliseconds. */
export function busyPortRetryMs(livedMs: number): number {
  return Math.max(BUSY_LEAST_MS, BUSY_MS - livedMs);
}

const TRY_EVERY_MS = 50;

interface Door {
  readonly server: Server;
  readonly open: Set<Socket>;
  /** For the next server of the address. */
  readonly waiting: ConnectionCap<Socket>;
  serve: ((socket: Socket) => void) | null;
}

/**
 * @param busyMs how long an address that another process has is tried
 * @returns none of them open yet
 */
export function createListenSockets(clock: Clock, busyMs = BUSY_MS): ListenSockets {
  const doors = new Map<string, Door>();
  let closing = new AbortController();

  return {
    async open(place) {
      const { signal } = closing;
      const known = doors.get(keyOf(place));
      if (known) return portOf(known.server);
      const door = await openDoor(place, busyMs, clock, signal);
      if (signal.aborted) await shut(door);
      signal.throwIfAborted();
      doors.set(keyOf(place), door);
      return portOf(door.server);
    },
    take(address, serve) {
      const door = doors.get(keyOf(address));
      if (!door) throw new Error(`${keyOf(address)} is not listened on`);
      door.serve = serve;
      for (const socket of door.waiting.all) {
        door.waiting.leave(socket);
        serve(socket);
      }
      return () => {
        if (door.serve === serve) door.serve = null;
      };
    },
    async close(which) {
      if (which === 'all') {
        closing.abort(new LastcallError('interrupted', 'lastcall is ending'));
        closing = new AbortController();
      }
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

/** @throws LastcallError as `ListenSockets.open` */
async function openDoor(
  place: ListenPlace,
  busyMs: number,
  clock: Clock,
  signal: AbortSignal,
): Promise<Door> {
  const began = clock.now();
  for (;;) {
    const door = createDoor();
    try {
      await listening(door.server, place);
      return door;
    } catch (error) {
      const elapsed = clock.now() - began;
      if (listenCode(error) !== 'busy' || elapsed >= busyMs) throw cannotListen(place, error, elapsed);
    }
    await sleep(clock, TRY_EVERY_MS, signal);
  }
}

function createDoor(): Door {
  const open = new Set<Socket>();
  const waiting = createConnectionCap<Socket>('waiting', (oldest) => oldest.destroy());
  const door: Door = {
    // A caller that closes its own direction first still wants the answer; small answers leave at once.
    server: createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      open.add(socket);
      socket.once('close', () => {
        open.delete(socket);
        waiting.leave(socket);
      });
      if (door.serve) return door.serve(socket);
      socket.on('error', () => undefined);
      waiting.enter(socket);
    }),
    open,
    waiting,
    serve: null,
  };
  return door;
}

function listening(server: Server, { host, port }: ListenPlace): Promise<void> {
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

function keyOf({ host, port }: Pick<ListenPlace, 'host' | 'port'>): string {
  return `${host}:${port}`;
}
