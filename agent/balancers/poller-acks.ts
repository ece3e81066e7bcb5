import type { AwaitedPoller } from '../lifecycle/view.ts';
import type { Clock } from '../system/clock.ts';
import { FORGET_MS, createPollers, steadyUntil, type Poller } from './pollers.ts';

/** The second poll proves that the answer to the first one arrived. */
export const TOLD_TWICE = 2;

/** How long a driver waits until its pollers have been answered: several times the slowest usual `agent-inter`. */
export const TELL_MS = 30_000;

/** One answer to a poller. */
export interface Answered<M> {
  /** This answer carried the state. */
  readonly told: boolean;
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
export interface Tally<M = null> {
  /** A new state: no poller has got it. @param times how often each must get it */
  restart(times?: number): void;
  answered(poller: string, answered: Answered<M>): void;
  /** Has this poller been answered often enough? */
  enough(poller: string): boolean;
  /** Has any poller been answered? */
  begun(): boolean;
  /** Has there been a poll in the last five minutes? */
  polled(): boolean;
  /** Is there a steady poller? */
  steady(): boolean;
  /**
   * Has every steady poller been answered often enough, and does none show another state? False while there is
   * none.
   */
  complete(): boolean;
  /** Steady pollers that were not answered often enough, or report another state. */
  lacking(): readonly AwaitedPoller[];
  /** True if a steady poller was answered often enough and still reports another state. */
  disobeyed(): boolean;
  markOf(poller: string): M | undefined;
  /** All pollers that are remembered, at most 64. */
  marked(): readonly MarkedPoller<M>[];
  /** Resolves as soon as `true` is what `wanted` answers, asked again after each poll and when a steady poller ceases to be one. */
  until(wanted: () => boolean, signal: AbortSignal): Promise<void>;
}

interface Note<M> {
  /** The number of the state that these answers carried. */
  readonly word: number;
  readonly told: number;
  readonly obeys: boolean;
  readonly mark: M;
}

/**
 * @param ignores leaves a poller out in the presence of steady others, as if it were none
 */
export function createTally<M = null>(
  clock: Clock,
  ignores: (mark: M, steady: readonly M[]) => boolean = () => false,
): Tally<M> {
  const pollers = createPollers<Note<M>>(clock);
  const watchers = new Set<() => void>();
  let word = 0;
  let times = TOLD_TWICE;
  let begun = false;
  let lastAt = -Infinity;

  const toldOf = (note: Note<M>): number => (note.word === word ? note.told : 0);
  const counted = (): readonly Poller<Note<M>>[] => {
    const all = pollers.all();
    const steady = all.filter((poller) => pollers.isSteady(poller)).map(({ note }) => note.mark);
    return all.filter(({ note }) => !ignores(note.mark, steady));
  };
  const steady = (): readonly Poller<Note<M>>[] => counted().filter((poller) => pollers.isSteady(poller));
  const hasHeard = ({ note }: Poller<Note<M>>): boolean => toldOf(note) >= times;
  const lacking = (): readonly Poller<Note<M>>[] =>
    steady().filter((poller) => !hasHeard(poller) || !poller.note.obeys);

  return {
    restart: (again = TOLD_TWICE) => {
      times = again;
      word += 1;
      begun = false;
    },
    answered: (name, { told, obeys = true, mark }) => {
      pollers.polled(name, (before, isBack) => {
        const former = before === null || isBack ? 0 : toldOf(before);
        return { word, told: former + (told ? 1 : 0), obeys, mark };
      });
      lastAt = clock.now();
      begun ||= told;
      for (const watcher of watchers) watcher();
    },
    enough: (name) => {
      const poller = pollers.get(name);
      return poller !== undefined && hasHeard(poller);
    },
    begun: () => begun,
    polled: () => clock.now() - lastAt <= FORGET_MS,
    steady: () => steady().length > 0,
    complete: () => steady().length > 0 && lacking().length === 0,
    lacking: () => lacking().map(({ name, at }) => ({ poller: name, silentSince: at })),
    disobeyed: () => steady().some((poller) => hasHeard(poller) && !poller.note.obeys),
    markOf: (name) => pollers.get(name)?.note.mark,
    marked: () =>
      counted().map((poller) => ({
        at: poller.at,
        steady: pollers.isSteady(poller),
        mark: poller.note.mark,
      })),
    until: (wanted, signal) =>
      watch(watchers, wanted, signal, (check) => {
        const ends = lacking().map((poller) => steadyUntil(poller) ?? Infinity);
        // A poller is steady until that very millisecond.
        return ends.length === 0 ? () => undefined : clock.after(Math.min(...ends) - clock.now() + 1, check);
      }),
  };
}

/** @param later arms the next check that no poll brings; answers how to disarm it */
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
