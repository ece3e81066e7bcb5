import { LastcallError } from '../system/error.ts';
import type { Interrupt, Signals } from './ports.ts';

/** Ctrl-C and its like while a command waits. */
export interface Interruption {
  /** Aborts when the waiting is to end at once. */
  readonly signal: AbortSignal;
  /** The first signal that came. */
  readonly first: Interrupt | null;
  /** Gives the signals back to Node: the next one ends the process. */
  end(): void;
}

const SIGNALS: readonly Interrupt[] = ['SIGINT', 'SIGTERM', 'SIGHUP'];

/**
 * @param gently what the first signal does instead of ending the wait, null where it ends it; the second always does
 */
export function listenForInterrupts(signals: Signals, gently: (() => unknown) | null): Interruption {
  const controller = new AbortController();
  let first: Interrupt | null = null;
  const listener = (signal: Interrupt): void => {
    const again = first !== null;
    first ??= signal;
    if (gently !== null && !again) gently();
    else controller.abort(new LastcallError('interrupted', `interrupted by ${signal}`));
  };
  for (const signal of SIGNALS) signals.on(signal, listener);
  return {
    signal: controller.signal,
    get first() {
      return first;
    },
    end() {
      for (const signal of SIGNALS) signals.off(signal, listener);
    },
  };
}
