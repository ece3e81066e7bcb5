import type { PollerConfig } from '../config/config.ts';
import type { Admin, Look, ServerView } from '../lifecycle/view.ts';
import { addressList } from '../system/address-list.ts';
import { withDeadline, type Clock } from '../system/clock.ts';
import { LastcallError } from '../system/error.ts';
import type { AgentCheckServer, Channel } from './agent-check-server.ts';
import type { Balancer } from './balancer.ts';
import { TELL_MS, createTally, type Tally } from './tally.ts';

export interface PollerPorts {
  readonly server: AgentCheckServer;
  readonly clock: Clock;
  /** Is our own probe of the application good? The line says `up` then, and more of its state cannot be known. */
  healthy(): boolean;
}

/** What we want the pollers to do. */
interface Wish {
  readonly word: Admin | null;
  /** Every poller has been told. */
  readonly settled: boolean;
  /** It is being said; `ready` only until each poller has been told (I9), the others as long as they are wanted. */
  readonly speaking: boolean;
}

/**
 * A HAProxy that only polls us. It shows nothing and counts nothing: `look` answers what it has been told (`ready`
 * while this process has told it nothing), and `set` succeeds once every poller of the last five minutes has been
 * told. That it obeyed cannot be seen, nor that an operator had another wish (the contract promises neither).
 * @throws LastcallError `config` for an address in `from` that is none
 */
export function createPollerBalancer(config: PollerConfig, ports: PollerPorts): Balancer {
  const { clock } = ports;
  const name = `agent-check/${config.id ?? config.from.join(',')}`;
  const tally = createTally(clock);
  let wish: Wish = { word: null, settled: true, speaking: false };
  let shown: Admin = 'ready';
  ports.server.add(channelOf(config, tally, () => (wish.speaking ? wish.word : null)));

  const look = (): Look => ({ worker: null, servers: [viewOf(name, shown, ports.healthy())] });
  const set = async (admin: Admin, mayReplace: readonly Admin[], signal: AbortSignal): Promise<void> => {
    const before = wish;
    if (before.word === admin && before.settled) return;
    if (before.word !== null && shown !== admin && !mayReplace.includes(shown)) return;
    // The second attempt at the same word goes on where the first one ended: nobody is told `ready` once more.
    if (before.word !== admin) tally.restart();
    wish = { word: admin, settled: false, speaking: true };
    try {
      await told(name, tally, clock, signal, () => tally.complete());
      wish = { word: admin, settled: true, speaking: admin !== 'ready' };
      shown = admin;
    } catch (error) {
      if (!tally.begun()) wish = before;
      else if (admin === 'ready') wish = { ...wish, speaking: false };
      // Somebody may be doing it already: it counts as said until something else is said to everybody.
      else shown = admin;
      throw error;
    }
  };

  return {
    name,
    servers: [name],
    counts: false,
    look: (signal) => answer(signal, look),
    async survey(signal) {
      await told(name, tally, clock, signal, () => tally.polled());
      const usable = shown === 'ready' && ports.healthy();
      return { ...look(), facts: [{ name, usableOthers: null, usable, sticky: 'unknown' }] };
    },
    async set(_server, admin, mayReplace, signal) {
      await set(admin, mayReplace, signal);
      return viewOf(name, shown, ports.healthy());
    },
    closeSessions: () => Promise.reject(cannotClose(name)),
  };
}

function channelOf(config: PollerConfig, tally: Tally, word: () => Admin | null): Channel {
  const from = addressList(config.from);
  return {
    id: config.id,
    covers: ({ address }) => config.from.length === 0 || from(address),
    word: (address) => Promise.resolve(word() === 'ready' && tally.enough(address) ? null : word()),
    answered: (address, said) => tally.answered(address, said !== null && said === word()),
  };
}

function viewOf(name: string, admin: Admin, healthy: boolean): ServerView {
  return {
    name,
    admin,
    origin: admin === 'ready' ? 'none' : 'forced',
    operational: healthy && admin !== 'maint' ? 'up' : 'down',
    connections: null,
    queued: null,
    total: null,
    weight: null,
    counters: null,
  };
}

async function answer(signal: AbortSignal, look: () => Look): Promise<Look> {
  signal.throwIfAborted();
  return look();
}

function told(
  name: string,
  tally: Tally,
  clock: Clock,
  signal: AbortSignal,
  done: () => boolean,
): Promise<void> {
  const start = clock.now();
  const late = (): LastcallError =>
    new LastcallError('balancer-unreachable', `${name}: ${silence(tally)} for ${TELL_MS / 1000} s`, {
      target: name,
      elapsedMs: clock.now() - start,
      next: 'look whether this HAProxy runs, has `agent-check agent-port PORT` on the server, and reaches that port',
    });
  return withDeadline(clock, TELL_MS, signal, late, (own) => tally.until(done, own));
}

function silence(tally: Tally): string {
  return tally.polled()
    ? 'a poller of the last five minutes has not been back'
    : 'nobody has polled our agent-check';
}

function cannotClose(name: string): LastcallError {
  return new LastcallError(
    'not-permitted',
    `${name}: a balancer that only polls cannot be told to close connections`,
    {
      target: name,
      next: 'close them at that balancer, or give lastcall its Runtime API',
    },
  );
}
