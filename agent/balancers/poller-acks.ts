import type { AwaitedPoller } from '../lifecycle/model/observation.ts';
import type { Clock } from '../system/clock.ts';
import { FORGET_MS, createPollers, steadyUntil, type KnownPoller } from './pollers.ts';

/** The second poll proves that the answer to the first one arrived. */
export const REQUIRED_ACKS = 2;

/** How long a driver waits until its pollers have been answered: several times the slowest usual `agent-inter`. */
export const ACK_TIMEOUT_MS = 30_000;

/** One answer to a poller. */
export interface PollerAck<M> {
  /** This answer carried the state. */
  readonly carriesState: boolean;
  /** False where the poller itself shows that it has not done it yet; default true. */
  readonly obeys?: boolean;
  /** What the driver keeps of this poller. */
  readonly mark: M;
}

/** One poller, for the driver that keeps a mark of it. */
export interface MarkedPoller<M> {
  readonly at: number;
  readonly steady: boolean;
  readonly mark: M;
}

/**
 * The pollers, and how often each was answered with the present state. Only steady pollers are waited for
 * (INVARIANTS.md#other-promises): a caller that comes once or has gone is remembered, and delays nothing.
 */
export interface PollerAcks<M = null> {
  /** A new state: no poller has got it. @param times how often each must get it */
  reset(times?: number): void;
  record(poller: string, answered: PollerAck<M>): void;
  /** Has this poller been answered often enough? */
  isAcked(poller: string): boolean;
  /** Has any poller been answered? */
  anyAcked(): boolean;
  /** Has there been a poll in the last five minutes? */
  hasPollers(): boolean;
  /** Is there a steady poller? */
  hasSteadyPollers(): boolean;
  /**
   * Has every steady poller been answered often enough, and does none show another state? False while there is
   * none.
   */
  allAcked(): boolean;
  /** Steady pollers that were not answered often enough, or report another state. */
  lacking(): readonly AwaitedPoller[];
  /** True if a steady poller was answered often enough and still reports another state. */
  anyIgnored(): boolean;
  markOf(poller: string): M | undefined;
  /** All pollers that are remembered, at most 64. */
  marked(): readonly MarkedPoller<M>[];
  /** Resolves as soon as `wanted` returns true; it is called after each poll, and when a steady poller ceases to be one. */
  waitUntil(wanted: () => boolean, signal: AbortSignal): Promise<void>;
}

interface AckNote<M> {
  /** The number of the state that these answers carried. */
  readonly state: number;
  readonly acks: number;
  readonly obeys: boolean;
  readonly mark: M;
}

/**
 * @param ignores leaves a poller out in the presence of steady others, as if it were none
 */
export function createPollerAcks<M = null>(
  clock: Clock,
  ignores: (mark: M, steady: readonly M[]) => boolean = () => false,
): PollerAcks<M> {
  const pollers = createPollers<AckNote<M>>(clock);
  const watchers = new Set<() => void>();
  let state = 0;
  let times = REQUIRED_ACKS;
  let isAnyAcked = false;
  let lastAt = -Infinity;

  const acksOf = (note: AckNote<M>): number => (note.state === state ? note.acks : 0);
  const hasHeard = ({ note }: KnownPoller<AckNote<M>>): boolean => acksOf(note) >= times;
  const { counted, steady } = createSelection(pollers, ignores);
  const lacking = (): readonly KnownPoller<AckNote<M>>[] =>
    steady().filter((poller) => !hasHeard(poller) || !poller.note.obeys);

  return {
    reset: (again = REQUIRED_ACKS) => {
      times = again;
      state += 1;
      isAnyAcked = false;
    },
    record: (name, { carriesState, obeys = true, mark }) => {
      pollers.polled(name, (before, isBack) => {
        const former = before === null || isBack ? 0 : acksOf(before);
        return { state, acks: former + (carriesState ? 1 : 0), obeys, mark };
      });
      lastAt = clock.now();
      isAnyAcked ||= carriesState;
      for (const watcher of watchers) watcher();
    },
    isAcked: (name) => {
      const poller = pollers.get(name);
      return poller !== undefined && hasHeard(poller);
    },
    anyAcked: () => isAnyAcked,
    hasPollers: () => clock.now() - lastAt <= FORGET_MS,
    hasSteadyPollers: () => steady().length > 0,
    allAcked: () => steady().length > 0 && lacking().length === 0,
    lacking: () => lacking().map(({ name, at }) => ({ poller: name, silentSince: at })),
    anyIgnored: () => steady().some((poller) => hasHeard(poller) && !poller.note.obeys),
    markOf: (name) => pollers.get(name)?.note.mark,
    marked: () =>
      counted().map((poller) => ({
        at: poller.at,
        steady: pollers.isSteady(poller),
        mark: poller.note.mark,
      })),
    waitUntil: (wanted, signal) =>
      watch(watchers, wanted, signal, (check) => {
        const ends = lacking().map((poller) => steadyUntil(poller) ?? Infinity);
        // A poller is steady until that very millisecond.
        return ends.length === 0 ? () => undefined : clock.after(Math.min(...ends) - clock.now() + 1, check);
      }),
  };
}

/** Which of the pollers count, and which of these are waited for. */
function createSelection<M>(
  pollers: ReturnType<typeof createPollers<AckNote<M>>>,
  ignores: (mark: M, steady: readonly M[]) => boolean,
): Readonly<Record<'counted' | 'steady', () => readonly KnownPoller<AckNote<M>>[]>> {
  const counted = (): readonly KnownPoller<AckNote<M>>[] => {
    const all = pollers.all();
    const steady = all.filter((poller) => pollers.isSteady(poller)).map(({ note }) => note.mark);
    return all.filter(({ note }) => !ignores(note.mark, steady));
  };
  return { counted, steady: () => counted().filter((poller) => pollers.isSteady(poller)) };
}

/** @param later arms the next check that no poll brings, and returns what disarms it */
function watch(
  watchers: Set<() => void>,
  wanted: () => boolean,
  signal: AbortSignal,
  later: (check: () => void) => () => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    let disarm = (): void => undefined;
    const end = (): void => {
      disarm();
      watchers.delete(check);
      signal.removeEventListener('abort', aborted);
    };
    const aborted = (): void => {
      end();
      reject(signal.reason as Error);
    };
    const check = (): void => {
      disarm();
      if (!wanted()) {
        disarm = later(check);
        return;
      }
      end();
      resolve();
    };
    if (signal.aborted) return reject(signal.reason as Error);
    signal.addEventListener('abort', aborted, { once: true });
    watchers.add(check);
    check();
  });
}
