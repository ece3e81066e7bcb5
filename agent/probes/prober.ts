import type { ProbeConfig } from '../config/config.ts';
import type { Clock } from '../system/clock.ts';
import { LastcallError, messageOf } from '../system/error.ts';
import type { Probe, ProbeAnswer } from './probe.ts';
import { judge, UNKNOWN, type Verdict } from './verdict.ts';

/** `normal`: as configured. `warming`: four times a second, for a caller who waits for the application. */
export type ProbePace = 'normal' | 'warming';

/** Probes the application over and over, one probe at a time, and derives a verdict from the answers. */
export interface Prober {
  readonly verdict: Verdict;
  /** Back to unknown: a probe that was begun before this never counts, one on its way is dropped. Asks at once. */
  reset(): void;
  /** How often to ask from now on; the pause that has begun is measured anew. */
  setPace(pace: ProbePace): void;
  /** Asks now instead of later and resolves with the verdict after it; joins a probe that is on its way. */
  askNow(): Promise<Verdict>;
  /** Asks no more; resolves when the probe on its way has ended. */
  close(): Promise<void>;
}

/** Between two probes while warming, in milliseconds; a shorter `every` stays as it is. */
const WARMING_EVERY_MS = 250;

/**
 * Begins to probe at once, and again `everyMs` after the previous probe ended, so a slow application never has two
 * probes to answer. Each probe is bounded by its own timeout.
 * @param onVerdict called each time `health` or `signedOut` has changed, or another reason why it is down is seen; not for `reset`: after it `health` is
 *   unknown, so that the first verdict of the new row is reported whatever came before
 */
export function createProber(
  config: Pick<ProbeConfig, 'everyMs' | 'rise' | 'fall'>,
  probe: Probe,
  { clock }: { clock: Clock },
  onVerdict: (verdict: Verdict) => void,
): Prober {
  let verdict = UNKNOWN;
  let reported: string | null = null;
  let pace: ProbePace = 'normal';
  const pauseMs = (): number =>
    pace === 'warming' ? Math.min(config.everyMs, WARMING_EVERY_MS) : config.everyMs;
  const asker = createAsker(probe, clock, pauseMs, (answer, startedAt) => {
    const before = verdict;
    verdict = judge(verdict, answer, startedAt, config);
    const { health, signedOut, reason } = verdict;
    const isOtherReason = health === 'down' && reason !== null && reason !== reported;
    if (health === before.health && signedOut === before.signedOut && !isOtherReason) return;
    reported = reason;
    onVerdict(verdict);
  });

  void asker.ask();
  return {
    get verdict() {
      return verdict;
    },
    reset() {
      if (asker.isClosed) return;
      verdict = UNKNOWN;
      asker.restart();
    },
    setPace(next) {
      if (next === pace) return;
      pace = next;
      asker.pauseAnew();
    },
    async askNow() {
      if (!asker.isClosed) await asker.ask();
      return verdict;
    },
    close: () => asker.close(),
  };
}

/** One probe after the other, each with the time at which it was begun. */
interface Asker {
  readonly isClosed: boolean;
  /** Asks now; joins a probe that is on its way. */
  ask(): Promise<void>;
  /** Drops the probe on its way, and asks as soon as it has ended. */
  restart(): void;
  /** The pause has changed: what is left of the present one is reckoned from the end of the last probe. */
  pauseAnew(): void;
  close(): Promise<void>;
}

function createAsker(
  probe: Probe,
  clock: Clock,
  pauseMs: () => number,
  onAnswer: (answer: ProbeAnswer, startedAt: number) => void,
): Asker {
  let current = new AbortController();
  let flight: Promise<void> | null = null;
  let endedAt = -Infinity;
  let isClosed = false;
  let cancelTimer = (): void => undefined;

  const pause = (): void => {
    cancelTimer();
    cancelTimer = clock.after(Math.max(0, endedAt + pauseMs() - clock.now()), () => void ask());
  };
  const fly = async (): Promise<void> => {
    const { signal } = current;
    const startedAt = clock.now();
    const answer = await answerOf(probe, signal);
    flight = null;
    endedAt = clock.now();
    if (isClosed) return;
    // Dropped by `restart`: the probe may have asked an application that has ended since.
    if (signal.aborted) return ask();
    pause();
    onAnswer(answer, startedAt);
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

  return {
    get isClosed() {
      return isClosed;
    },
    ask,
    restart() {
      drop('the probe was begun before the application was asked anew');
      void ask();
    },
    pauseAnew() {
      if (!isClosed && flight === null) pause();
    },
    async close() {
      isClosed = true;
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
