import type { Result } from '../lifecycle/model/api.ts';
import { type Clock, sleep } from '../system/clock.ts';
import { type Code, LastcallError } from '../system/error.ts';
import type { Log } from '../system/log-port.ts';
import { isFinal } from './try-again.ts';

/** Drains the node for callers that end the application next, whatever is answered: a preStop hook. */
export interface Prestop {
  /**
   * Resolves once the node is drained, or cannot be. All that wait at once wait for one request; one that leaves
   * withdraws nothing.
   * @param gone aborted when the caller has left
   */
  wait(gone: AbortSignal): Promise<Result>;
  /** How many callers wait now. */
  readonly waiting: number;
}

export interface PrestopPorts {
  readonly clock: Clock;
  readonly log: Log;
  /**
   * Asks for the drain, or joins what is under way, and resolves with the end of it.
   * @param timeoutMs from now on, in milliseconds; also where it joins
   */
  readonly drain: (timeoutMs: number) => Promise<Result>;
  /** How long a request and its repetitions after a refusal may take, in milliseconds: the present `drain.timeout`. */
  readonly timeoutMs: () => number;
}

const RETRY_FIRST_MS = 250;
const RETRY_LONGEST_MS = 5_000;

export function createPrestop(ports: PrestopPorts): Prestop {
  const waiting = new Set<AbortSignal>();
  let running: Promise<Result> | null = null;
  /** Aborted while no caller waits. */
  let left = new AbortController();
  const enter = (gone: AbortSignal): void => {
    if (gone.aborted) return;
    if (left.signal.aborted) left = new AbortController();
    waiting.add(gone);
    const leave = (): void => {
      waiting.delete(gone);
      if (waiting.size === 0) left.abort(new LastcallError('cancelled', 'every caller has hung up'));
    };
    gone.addEventListener('abort', leave, { once: true });
  };
  return {
    get waiting() {
      return waiting.size;
    },
    wait(gone) {
      enter(gone);
      running ??= untilDrained(ports, () => left.signal).finally(() => (running = null));
      return running;
    },
  };
}

/** Repeats a refused request for as long as a caller waits for it and `drain.timeout` is not over. */
async function untilDrained(
  { clock, log, drain, timeoutMs }: PrestopPorts,
  left: () => AbortSignal,
): Promise<Result> {
  const wholeMs = timeoutMs();
  const end = clock.now() + wholeMs;
  const logged = new Set<Code>();
  let result = await drain(wholeMs);
  for (let pauseMs = RETRY_FIRST_MS; ; pauseMs = Math.min(2 * pauseMs, RETRY_LONGEST_MS)) {
    const restMs = end - clock.now();
    if (result.ok || isFinal(result.code, 'drain') || restMs <= 0) return result;
    const { code, message: why } = result;
    if (!logged.has(code))
      log.warn('a preStop hook cannot be refused: its drain is asked for again', { code, why });
    logged.add(code);
    try {
      await sleep(clock, Math.min(pauseMs, restMs), left());
    } catch {
      // No caller waits any more, so the request is not repeated.
      return result;
    }
    result = await drain(Math.max(1, end - clock.now()));
  }
}
