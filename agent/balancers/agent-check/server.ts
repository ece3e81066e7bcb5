import type { Socket } from 'node:net';
import type { AgentCheckListenConfig } from '../../config/config.ts';
import { agentLine } from '../../haproxy/agent-line.ts';
import type { Admin } from '../../lifecycle/model/observation.ts';
import { ipAllowlist, plainAddress } from '../../system/ip-allowlist.ts';
import type { Clock } from '../../system/clock.ts';
import { createConnectionCap } from '../../system/connection-cap.ts';
import { createListenSockets, type ListenSockets } from '../../system/listen-sockets.ts';
import type { Log } from '../../system/log-port.ts';

const CONNECTION_MS = 2_000;
/** As much of an `agent-send` as is read, and how long it is waited for: it comes right after the connect. */
const ID_CHARS = 256;
const ID_MS = 100;

/** Where a poll comes from. */
export interface Caller {
  readonly address: string;
  /** From this very machine. */
  readonly local: boolean;
}

/** The pollers for which agent-check is the writer of one server's state. */
export interface Subscription {
  /** Their `agent-send`; null = their address is enough. */
  readonly id: string | null;
  /** Could this caller be one of them? */
  covers(caller: Caller): boolean;
  /** The admin state to answer this caller now, or null. Takes little time and never rejects. */
  state(address: string): Promise<Admin | null>;
  /** The percent of its configured weight to answer this caller now, or null. As `state`. */
  weight?(): Promise<number | null>;
  /** The answer, with this state and this percent or with none, is on its way to the caller. */
  answered(address: string, admin: Admin | null, percent: number | null): void;
}

/** The TCP responder of `listen.agentCheck`; a caller without a subscription gets `up` or an empty answer. */
export interface AgentCheckServer {
  add(subscription: Subscription): void;
  /** The count of each line answered so far, without its LF and without a weight; the neutral answer is the empty one. */
  readonly answers: ReadonlyMap<string, number>;
  /** @returns the port; @throws LastcallError as `ListenSockets.open` */
  listen(): Promise<number>;
  close(): Promise<void>;
}

export interface AgentCheckPorts {
  readonly clock: Clock;
  /** Is our own probe of the application good? */
  healthy(): boolean;
  readonly log: Log;
  /** Addresses that outlive this responder; default: its own, which end with it. */
  readonly sockets?: ListenSockets;
}

/** @throws LastcallError `config` for an entry of `allow` that is no address */
export function createAgentCheckServer(
  config: AgentCheckListenConfig,
  ports: AgentCheckPorts,
): AgentCheckServer {
  const allowed = ipAllowlist(config.allow);
  const subscriptions: Subscription[] = [];
  const open = createConnectionCap<Socket>('agentCheck', (oldest) => oldest.destroy());
  const answers = new Map<string, number>();
  const sockets = ports.sockets ?? createListenSockets(ports.clock);
  let giveUp = (): void => undefined;

  const accept = (socket: Socket): void => {
    // The poller closed the connection: its next poll gets the state again.
    socket.on('error', () => undefined);
    const caller = callerOf(socket);
    if (config.allow.length > 0 && !allowed(caller.address)) return void socket.destroy();
    const cancel = ports.clock.after(CONNECTION_MS, () => socket.destroy());
    socket.once('close', () => {
      cancel();
      open.leave(socket);
    });
    open.enter(socket);
    answer(socket, caller, subscriptions, { ...ports, answers }).catch((error: unknown) => {
      ports.log.error('an agent-check poll could not be answered', { from: caller.address, error });
      socket.destroy();
    });
  };

  return {
    add: (subscription) => void subscriptions.push(subscription),
    answers,
    async listen() {
      const port = await sockets.open({ ...config, key: 'listen.agentCheck' });
      giveUp = sockets.take(config, accept);
      return port;
    },
    async close() {
      giveUp();
      if (!ports.sockets) await sockets.close('all');
    },
  };
}

function callerOf(socket: Socket): Caller {
  const address = plainAddress(socket.remoteAddress ?? '');
  return { address, local: address !== '' && address === plainAddress(socket.localAddress ?? '') };
}

/** One line, ended by LF, at once; what the caller sends is waited for only where it decides the answer. */
async function answer(
  socket: Socket,
  caller: Caller,
  all: readonly Subscription[],
  ports: AgentCheckPorts & { readonly answers: Map<string, number> },
): Promise<void> {
  const matching = all.filter((subscription) => subscription.covers(caller));
  const id = matching.some((subscription) => subscription.id !== null)
    ? await readId(socket, ports.clock)
    : null;
  const named = matching.filter((subscription) => subscription.id !== null && subscription.id === id);
  const selected = named.length > 0 ? named : matching.filter((subscription) => subscription.id === null);
  const [word, percent] = await Promise.all([
    agreed(selected.map((subscription) => subscription.state(caller.address))),
    agreed(selected.map((subscription) => subscription.weight?.() ?? Promise.resolve(null))),
  ]);
  if (socket.destroyed) return;
  const parts = { word, healthy: ports.healthy() };
  socket.write(agentLine({ ...parts, percent }), (error) => {
    if (error) return;
    const line = agentLine(parts).trim();
    ports.answers.set(line, (ports.answers.get(line) ?? 0) + 1);
    for (const subscription of selected) subscription.answered(caller.address, word, percent);
  });
  socket.end();
  drop(socket);
}

/** Two subscriptions that a caller may belong to want different things: it is unknown which applies, so none is answered. */
async function agreed<T>(wishes: readonly Promise<T | null>[]): Promise<T | null> {
  const all = new Set(await Promise.all(wishes));
  return all.size === 1 ? ([...all][0] ?? null) : null;
}

/** The first line that the caller sends, or null. */
function readId(socket: Socket, clock: Clock): Promise<string | null> {
  return new Promise((resolve) => {
    let text = '';
    const done = (): void => {
      cancel();
      socket.off('data', take).off('end', done).off('close', done).pause();
      resolve(/^[^\r\n]*/.exec(text)?.[0].trim() || null);
    };
    const take = (chunk: string): void => {
      text = (text + chunk).slice(0, ID_CHARS);
      if (text.length === ID_CHARS || text.includes('\n')) done();
    };
    const cancel = clock.after(ID_MS, done);
    socket.setEncoding('utf8').on('data', take).once('end', done).once('close', done);
  });
}

/** Reads and drops a little, since closing over unread bytes resets the connection and may cost the answer. */
function drop(socket: Socket): void {
  let seen = 0;
  socket.on('data', (chunk: Buffer | string) => {
    seen += chunk.length;
    if (seen > ID_CHARS) socket.destroy();
  });
  socket.resume();
}
