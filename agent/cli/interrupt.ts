import { LastcallError } from '../system/error.ts';
import type { CliPorts, Interrupt } from './ports.ts';

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

/** How long the first signal may take to undo what was done, in milliseconds: it is answered within two seconds. */
const PATIENCE_MS = 1_200;
/** Where nothing can be undone: the time for a write that is under way, before the state at HAProxy is reported. */
const LAST_LOOK_MS = 400;

/**
 * @param onFirst what the first signal does instead of ending the wait, for a moment: false = it can do nothing; null
 *   where the signal ends the wait. The second one always does.
 */
export function listenForInterrupts(
  { signals, clock }: Pick<CliPorts, 'signals' | 'clock'>,
  onFirst: (() => boolean) | null,
): Interruption {
  const controller = new AbortController();
  let first: Interrupt | null = null;
  let cancel = (): void => undefined;
  const listener = (signal: Interrupt): void => {
    const again = first !== null;
    first ??= signal;
    const end = (): void => controller.abort(new LastcallError('interrupted', `interrupted by ${signal}`));
    if (onFirst === null || again) return end();
    cancel = clock.after(onFirst() ? PATIENCE_MS : LAST_LOOK_MS, end);
  };
  for (const signal of SIGNALS) signals.on(signal, listener);
  return {
    signal: controller.signal,
    get first() {
      return first;
    },
    end() {
      cancel();
      for (const signal of SIGNALS) signals.off(signal, listener);
    },
  };
}
