import type { ProbeConfig } from '../config/config.ts';
import type { Clock } from '../system/clock.ts';
import { LastcallError, messageOf } from '../system/error.ts';
import type { Probe, ProbeAnswer } from './probe.ts';
import { judge, UNKNOWN, type Verdict } from './verdict.ts';

/** Asks the application over and over, one probe at a time, and says what the answers amount to. */
export interface Prober {
  readonly verdict: Verdict;
  /** Back to unknown, because the application is another one now; an answer on its way is dropped. Asks at once. */
  reset(): void;
  /** Asks now instead of later and resolves with the verdict after it; joins a probe that is on its way. */
  askNow(): Promise<Verdict>;
  /** Asks no more; resolves when the probe on its way has ended. */
  close(): Promise<void>;
}

/**
 * Begins to ask at once, and again `everyMs` after the previous probe ended, so a slow application never has two
 * probes to answer. Each probe is bounded by its own timeout.
 * @param onVerdict told each time `health` or `signedOut` has changed, not of `reset`
 */
export function createProber(
  config: Pick<ProbeConfig, 'everyMs' | 'rise' | 'fall'>,
  probe: Probe,
  { clock }: { clock: Clock },
  onVerdict: (verdict: Verdict) => void,
): Prober {
  let verdict = UNKNOWN;
  let current = new AbortController();
  let flight: Promise<void> | null = null;
  let closed = false;
  let cancelTimer = (): void => undefined;

  const take = (answer: ProbeAnswer): void => {
    const before = verdict;
    verdict = judge(verdict, answer, config);
    if (verdict.health !== before.health || verdict.signedOut !== before.signedOut) onVerdict(verdict);
  };
  const fly = async (): Promise<void> => {
    const { signal } = current;
    const answer = await answerOf(probe, signal);
    flight = null;
    if (closed) return;
    // Dropped by `reset`: the application that it was about is no more.
    if (signal.aborted) return ask();
    cancelTimer = clock.after(config.everyMs, () => void ask());
    take(answer);
  };
  const ask = (): Promise<void> => {
    cancelTimer();
    flight ??= fly();
    return flight;
  };
  const drop = (why: string): void => {
    cancelTimer();
    current.abort(new LastcallError('cancelled', why));
    current = new AbortController();
  };

  void ask();
  return {
    get verdict() {
      return verdict;
    },
    reset() {
      if (closed) return;
      verdict = UNKNOWN;
      drop('the probe is about an application that is no more');
      void ask();
    },
    async askNow() {
      if (!closed) await ask();
      return verdict;
    },
    async close() {
      closed = true;
      drop('the prober is closed');
      await flight;
    },
  };
}

async function answerOf(probe: Probe, signal: AbortSignal): Promise<ProbeAnswer> {
  try {
    return await probe.ask(signal);
  } catch (error) {
    return { kind: 'unhealthy', reason: messageOf(error) };
  }
}
