import type { Clock } from '../system/clock.ts';

/** A poller that has been silent for so long is no longer waited for (contract: "told"). */
const SEEN_MS = 5 * 60_000;
/** The second poll proves that the answer to the first one arrived. */
export const TOLD_TWICE = 2;

/** How long a driver waits until its pollers have been told: several times the slowest usual `agent-inter`. */
export const TELL_MS = 30_000;

/** Who polls, and how often each has been told the present word. */
export interface Tally {
  /** A new word: nobody has been told. @param times how often each is to be told */
  restart(times?: number): void;
  /**
   * @param told this answer carried the word
   * @param obeys false where the poller itself shows that it has not done it yet
   */
  answered(poller: string, told: boolean, obeys?: boolean): void;
  /** Has this poller been told as often as it takes? */
  enough(poller: string): boolean;
  /** Has any poller been told? */
  begun(): boolean;
  /** Has anybody polled in the last five minutes? */
  polled(): boolean;
  /** Has everybody seen in the last five minutes been told as often as it takes, and does it? False when there is nobody. */
  complete(): boolean;
  /** Has somebody been told as often as it takes and shows that he does not do it? */
  disobeyed(): boolean;
  /** Resolves as soon as `true` is what `wanted` answers, asked again after each poll. */
  until(wanted: () => boolean, signal: AbortSignal): Promise<void>;
}

interface Poller {
  at: number;
  told: number;
  obeys: boolean;
}

export function createTally(clock: Clock): Tally {
  const pollers = new Map<string, Poller>();
  const watchers = new Set<() => void>();
  let times = TOLD_TWICE;
  const present = (): Poller[] => {
    for (const [name, { at }] of pollers) if (clock.now() - at > SEEN_MS) pollers.delete(name);
    return [...pollers.values()];
  };
  return {
    restart: (again = TOLD_TWICE) => {
      times = again;
      for (const poller of pollers.values()) poller.told = 0;
    },
    answered: (name, told, obeys = true) => {
      const before = pollers.get(name)?.told ?? 0;
      pollers.set(name, { at: clock.now(), told: before + (told ? 1 : 0), obeys });
      for (const watcher of watchers) watcher();
    },
    enough: (name) => (pollers.get(name)?.told ?? 0) >= times,
    begun: () => present().some(({ told }) => told > 0),
    polled: () => present().length > 0,
    complete: () => present().length > 0 && present().every(({ told, obeys }) => told >= times && obeys),
    disobeyed: () => present().some(({ told, obeys }) => told >= times && !obeys),
    until: (wanted, signal) => watch(watchers, wanted, signal),
  };
}

function watch(watchers: Set<() => void>, wanted: () => boolean, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const end = (): void => {
      watchers.delete(check);
      signal.removeEventListener('abort', aborted);
    };
    const aborted = (): void => {
      end();
      reject(signal.reason as Error);
    };
    const check = (): void => {
      if (!wanted()) return;
      end();
      resolve();
    };
    if (signal.aborted) return reject(signal.reason as Error);
    signal.addEventListener('abort', aborted, { once: true });
    watchers.add(check);
    check();
  });
}
