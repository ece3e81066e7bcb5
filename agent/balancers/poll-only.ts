import type { Admin, Look, ServerView } from '../lifecycle/view.ts';
import { withDeadline, type Clock } from '../system/clock.ts';
import { LastcallError } from '../system/error.ts';
import type { Balancer } from './balancer.ts';
import { TELL_MS, TOLD_TWICE, type Tally } from './poller-acks.ts';

export interface PolledOptions<M> {
  readonly name: string;
  /** Who polls. */
  readonly tally: Tally<M>;
  /** The subject of the errors, such as `our agent-check`. */
  readonly asked: string;
  /** The next step for the operator when no poller comes. */
  readonly next: string;
  readonly clock: Clock;
  /** Is our own probe of the application good? More of the server's state cannot be known. */
  readonly healthy: () => boolean;
  /** How often each poller must be answered with a state before it counts as applied; default twice. */
  readonly times?: (admin: Admin) => number;
  /** What the pollers report about the server, if they do. */
  readonly told?: () => Partial<ServerView>;
}

/** A balancer that only polls, and the answer for its pollers. */
export interface Polled {
  readonly balancer: Balancer;
  /** The state that is answered now; `ready` only until each poller has got it (I9). */
  readonly word: () => Admin | null;
}

/** What we want the pollers to do. */
interface Wish {
  readonly word: Admin | null;
  /** Every poller has got the state. */
  readonly settled: boolean;
  /** It is being answered; `ready` only until each poller has got it (I9), the others as long as they are desired. */
  readonly speaking: boolean;
}

/**
 * Anything that polls us and gives no answer. It shows nothing and counts nothing: `look` returns the answered
 * state (`ready` while this process has answered none), and `set` succeeds once every steady poller has got the
 * state. One that becomes steady later, or is back after a pause, gets it with its first poll, since `drain` and
 * `maint` are answered as long as they are desired. Whether it obeyed is unknown, but for what HAProxy sends with
 * its checks, and so is another intent of an operator (neither is promised there). Without a poll for five minutes
 * it is unreachable, like any other balancer.
 */
export function createPolled<M>(options: PolledOptions<M>): Polled {
  const { name, clock, tally } = options;
  let wish: Wish = { word: null, settled: true, speaking: false };
  let shown: Admin = 'ready';

  const born = clock.now();
  const view = (): ServerView => viewOf(options, shown);
  const silent = (): boolean => !tally.polled() && clock.now() - born >= TELL_MS;
  const look = (): Look => ({
    worker: null,
    workers: null,
    unseen: null,
    uncounted: [],
    servers: [view()],
    waitsFor: wish.settled ? [] : tally.lacking(),
  });
  const set = async (admin: Admin, mayReplace: readonly Admin[], signal: AbortSignal): Promise<void> => {
    const before = wish;
    if (before.word === admin && before.settled) return;
    if (before.word !== null && shown !== admin && !mayReplace.includes(shown)) return;
    // A second attempt at the same state continues the first one: no poller gets `ready` once more.
    if (before.word !== admin) tally.restart(options.times?.(admin) ?? TOLD_TWICE);
    wish = { word: admin, settled: false, speaking: true };
    try {
      await told(options, signal, () => tally.complete());
      wish = { word: admin, settled: true, speaking: admin !== 'ready' };
      shown = admin;
    } catch (error) {
      if (!tally.begun()) wish = before;
      else if (admin === 'ready') wish = { ...wish, speaking: false };
      // Some pollers may have applied it already: it counts as written until another state has reached all pollers.
      else shown = admin;
      throw error;
    }
  };
  const balancer: Balancer = {
    name,
    servers: [name],
    counts: false,
    seesOldWorkers: false,
    async look(signal) {
      signal.throwIfAborted();
      if (silent()) throw lateness(options, clock.now())();
      return Promise.resolve(look());
    },
    async survey(signal) {
      await told(options, signal, () => tally.steady());
      const usable = shown === 'ready' && options.healthy();
      const neighbours = { role: null, usableOthers: null, standbys: [], missing: [] };
      const facts = [{ name, usable, ...neighbours, sticky: 'unknown', hashed: null }];
      return { ...look(), facts, relatives: null, foreignTables: [], blind: null, uncompared: [] };
    },
    async set(_server, admin, mayReplace, signal) {
      await set(admin, mayReplace, signal);
      return view();
    },
    holders: () => Promise.reject(cannot(name, 'shows nobody')),
    closeSessions: () => Promise.reject(cannot(name, 'cannot be told to close connections')),
  };
  return { balancer, word: () => (wish.speaking ? wish.word : null) };
}

function viewOf<M>({ name, healthy, told: more }: PolledOptions<M>, admin: Admin): ServerView {
  return {
    name,
    admin,
    origin: admin === 'ready' ? 'none' : 'forced',
    operational: healthy() && admin !== 'maint' ? 'up' : 'down',
    connections: null,
    queued: null,
    total: null,
    weight: null,
    counters: null,
    ...more?.(),
  };
}

function told<M>(options: PolledOptions<M>, signal: AbortSignal, done: () => boolean): Promise<void> {
  const { clock, tally } = options;
  const late = lateness(options, clock.now());
  return withDeadline(clock, TELL_MS, signal, late, (own) => tally.until(done, own));
}

function lateness<M>(options: PolledOptions<M>, start: number): () => LastcallError {
  const { name, clock, next, tally } = options;
  return () => {
    const look = tally.disobeyed()
      ? 'look what keeps the server as it is there: `fall` and `rise` of its check, or somebody else’s word'
      : next;
    const detail = { target: name, elapsedMs: clock.now() - start, next: look };
    return new LastcallError('balancer-unreachable', `${name}: ${whyLate(options)}`, detail);
  };
}

/** As many pollers as a message names. */
const NAMED = 3;

function whyLate<M>({ asked, clock, tally }: PolledOptions<M>): string {
  const lacking = tally.lacking().slice(0, NAMED);
  const names = lacking.map(({ poller }) => poller).join(', ');
  if (tally.disobeyed()) return `${names} was told, and shows by send-state that it has not done it yet`;
  const silence = lacking.map(
    ({ poller, silentSince }) => `${poller}, silent for ${seconds(clock.now() - silentSince)}`,
  );
  if (silence.length > 0)
    return `its pollers have not been back often enough for ${seconds(TELL_MS)}: ${silence.join('; ')}`;
  if (tally.polled()) return `no poller has asked ${asked} twice, at a steady interval, and is still there`;
  return `nobody has polled ${asked} for ${seconds(TELL_MS)}`;
}

function seconds(ms: number): string {
  return `${Math.round(ms / 1_000)} s`;
}

function cannot(name: string, what: string): LastcallError {
  return new LastcallError('not-permitted', `${name}: a balancer that only polls ${what}`, {
    target: name,
    next: 'look and close at that balancer, or give lastcall its Runtime API',
  });
}
