import { parseDuration } from '../formats/duration.ts';
import type { Words } from '../control/protocol.ts';
import type { Result } from '../lifecycle/operation.ts';
import { type Clock, sleep } from '../system/clock.ts';
import { type LastcallError, isLastcallError } from '../system/error.ts';
import { type Desk, type Watcher, follow } from './wait-for-result.ts';

/** The default of `drain.timeout`, which only the sidecar knows; the CLI waits for a sidecar as long as a drain waits for users. */
const PATIENCE_MS = 30 * 60_000;
const RETRY_FIRST_MS = 250;
const RETRY_LONGEST_MS = 5_000;
/** The operation's own deadline has decided, or nothing can come of asking again. */
const FINAL: readonly string[] = ['deadline', 'usage', 'interrupted'];
/** What a stop has done to the application is not known: it is not done twice. */
const STOP_FINAL: readonly string[] = [...FINAL, 'in-doubt', 'app-stop', 'failed'];

/**
 * `--no-refuse`: hands a request in whose caller ends the application whatever is answered. What the sidecar cannot take
 * up now, because it is away or because another hand is at the node, is asked for again until it is done or until the
 * time of the request is over; that time is one for all attempts.
 * @returns the result of the last attempt
 * @throws LastcallError of the last attempt | the signal's reason
 */
export async function persist(
  desk: Desk,
  words: Words,
  watcher: Watcher,
  clock: Clock,
  signal: AbortSignal,
): Promise<Result> {
  const end = clock.now() + patienceOf(words);
  const final = words.operation === 'stop' ? STOP_FINAL : FINAL;
  for (let pauseMs = RETRY_FIRST_MS, asked = words; ; pauseMs = Math.min(2 * pauseMs, RETRY_LONGEST_MS)) {
    const outcome = await attempt(desk, asked, watcher, clock, signal);
    signal.throwIfAborted();
    const leftMs = end - clock.now();
    if ('result' in outcome) {
      const { result } = outcome;
      if (result.ok || final.includes(result.code) || leftMs <= 0) return result;
      watcher.again(result.message ?? result.code);
    } else {
      if (final.includes(outcome.error.code) || leftMs <= 0) throw outcome.error;
      watcher.again(outcome.error.message);
    }
    await sleep(clock, Math.min(pauseMs, leftMs), signal);
    asked = { ...words, timeout: `${Math.max(1, Math.ceil((end - clock.now()) / 1_000))}s` };
  }
}

type Outcome = { readonly result: Result } | { readonly error: LastcallError };

async function attempt(
  ...[desk, words, watcher, clock, signal]: Parameters<typeof follow>
): Promise<Outcome> {
  try {
    return { result: await follow(desk, words, watcher, clock, signal) };
  } catch (error) {
    if (!isLastcallError(error)) throw error;
    return { error };
  }
}

function patienceOf({ timeout }: Words): number {
  const parsed = timeout === undefined ? null : parseDuration(timeout);
  return parsed?.ok === true ? parsed.ms : PATIENCE_MS;
}
