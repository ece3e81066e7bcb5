import type { Admin, Look, ServerView } from '../lifecycle/model/observation.ts';
import { withDeadline, type Clock } from '../system/clock.ts';
import { LastcallError } from '../system/error.ts';
import type { Balancer } from './balancer.ts';
import { ACK_TIMEOUT_MS, REQUIRED_ACKS, type PollerAcks } from './poller-acks.ts';

export interface PollOnlyOptions<M> {
  readonly name: string;
  /** The pollers. */
  readonly acks: PollerAcks<M>;
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
  readonly reported?: () => Partial<ServerView>;
}

/** A balancer that only polls, and the answer for its pollers. */
export interface PollOnlyBalancer {
  readonly balancer: Balancer;
  /** The state that is answered now; `ready` only until each poller has got it (I9). */
  readonly announced: () => Admin | null;
}

/** What we want the pollers to do. */
interface AnnouncedState {
  readonly state: Admin | null;
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
export function createPollOnly<M>(options: PollOnlyOptions<M>): PollOnlyBalancer {
  const { name, clock, acks } = options;
  const announcement = createAnnouncement(options);
  const startedAt = clock.now();
  const view = (): ServerView => viewOf(options, announcement.shown());
  const isUnreachable = (): boolean => !acks.hasPollers() && clock.now() - startedAt >= ACK_TIMEOUT_MS;
  const look = (): Look => ({
    worker: null,
    workers: null,
    unseen: null,
    uncounted: [],
    servers: [view()],
    waitsFor: announcement.now().settled ? [] : acks.lacking(),
  });
  const balancer: Balancer = {
    name,
    servers: [name],
    counts: false,
    seesOldWorkers: false,
    async look(signal) {
      signal.throwIfAborted();
      if (isUnreachable()) throw timeoutError(options, clock.now())();
      return Promise.resolve(look());
    },
    async survey(signal) {
      await waitForPollers(options, signal, () => acks.hasSteadyPollers());
      const usable = announcement.shown() === 'ready' && options.healthy();
      const neighbours = { role: null, usableOthers: null, standbys: [], missing: [] };
      const facts = [{ name, usable, ...neighbours, sticky: 'unknown', hashed: null }];
      return { ...look(), facts, relatives: null, foreignTables: [], blind: null, uncompared: [] };
    },
    async set(_server, admin, mayReplace, signal) {
      await announcement.set(admin, mayReplace, signal);
      return view();
    },
    holders: () => Promise.reject(cannot(name, 'shows no connections')),
    closeSessions: () => Promise.reject(cannot(name, 'cannot close connections')),
  };
  return {
    balancer,
    announced: () => (announcement.now().speaking ? announcement.now().state : null),
  };
}

/** What the pollers are answered, and what they were last seen to have got. */
interface AnnouncedToPollers {
  now(): AnnouncedState;
  /** The last state that all pollers have got, or some may have applied. */
  shown(): Admin;
  set(admin: Admin, mayReplace: readonly Admin[], signal: AbortSignal): Promise<void>;
}

function createAnnouncement<M>(options: PollOnlyOptions<M>): AnnouncedToPollers {
  const { acks } = options;
  let announced: AnnouncedState = { state: null, settled: true, speaking: false };
  let shown: Admin = 'ready';
  const set = async (admin: Admin, mayReplace: readonly Admin[], signal: AbortSignal): Promise<void> => {
    const before = announced;
    if (before.state === admin && before.settled) return;
    if (before.state !== null && shown !== admin && !mayReplace.includes(shown)) return;
    // A second attempt at the same state continues the first one: no poller gets `ready` once more.
    if (before.state !== admin) acks.reset(options.times?.(admin) ?? REQUIRED_ACKS);
    announced = { state: admin, settled: false, speaking: true };
    try {
      await waitForPollers(options, signal, () => acks.allAcked());
      announced = { state: admin, settled: true, speaking: admin !== 'ready' };
      shown = admin;
    } catch (error) {
      if (!acks.anyAcked()) announced = before;
      else if (admin === 'ready') announced = { ...announced, speaking: false };
      // Some pollers may have applied it already: it counts as written until another state has reached all pollers.
      else shown = admin;
      throw error;
    }
  };
  return { now: () => announced, shown: () => shown, set };
}

function viewOf<M>({ name, healthy, reported }: PollOnlyOptions<M>, admin: Admin): ServerView {
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
    ...reported?.(),
  };
}

function waitForPollers<M>(
  options: PollOnlyOptions<M>,
  signal: AbortSignal,
  done: () => boolean,
): Promise<void> {
  const { clock, acks } = options;
  const late = timeoutError(options, clock.now());
  return withDeadline(clock, ACK_TIMEOUT_MS, signal, late, (own) => acks.waitUntil(done, own));
}

function timeoutError<M>(options: PollOnlyOptions<M>, start: number): () => LastcallError {
  const { name, clock, next, acks } = options;
  return () => {
    const look = acks.anyIgnored()
      ? 'look what keeps the server as it is there: `fall` and `rise` of its check, or another operator’s command'
      : next;
    const detail = { target: name, elapsedMs: clock.now() - start, next: look };
    return new LastcallError('balancer-unreachable', `${name}: ${whyLate(options)}`, detail);
  };
}

/** As many pollers as a message names. */
const NAMED = 3;

function whyLate<M>({ asked, clock, acks }: PollOnlyOptions<M>): string {
  const lacking = acks.lacking().slice(0, NAMED);
  const names = lacking.map(({ poller }) => poller).join(', ');
  if (acks.anyIgnored())
    return `${names} got the state, but reports by send-state that it has not applied it yet`;
  const silentPollers = lacking.map(
    ({ poller, silentSince }) => `${poller}, silent for ${seconds(clock.now() - silentSince)}`,
  );
  if (silentPollers.length > 0)
    return `its pollers have not been back often enough for ${seconds(ACK_TIMEOUT_MS)}: ${silentPollers.join('; ')}`;
  if (acks.hasPollers())
    return `no poller has asked ${asked} twice, at a steady interval, and is still there`;
  return `no poller has asked ${asked} for ${seconds(ACK_TIMEOUT_MS)}`;
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
