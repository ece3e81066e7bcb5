import { setMaxListeners } from 'node:events';

/** Runs work one after another, in the order it was given in. */
export interface Mutex {
  /** Rejects with the signal's reason as soon as it is aborted, also while waiting. */
  runExclusive<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T>;
}

export function createMutex(): Mutex {
  let last: Promise<unknown> = Promise.resolve();
  return {
    runExclusive<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
      const mine = last.then(() => {
        signal.throwIfAborted();
        return work();
      });
      // The next caller waits for the end of this one, whatever it is; the error is the caller's.
      last = mine.catch(() => undefined);
      return unlessAborted(signal, mine);
    },
  };
}

async function unlessAborted<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  let stop: () => void = () => undefined;
  const aborted = new Promise<never>((_resolve, reject) => {
    const listener = (): void => reject(signal.reason as Error);
    if (signal.aborted) listener();
    // As many wait for one signal as the node has servers; Node takes more than ten for a leak.
    setMaxListeners(0, signal);
    signal.addEventListener('abort', listener, { once: true });
    stop = () => signal.removeEventListener('abort', listener);
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    stop();
  }
}
