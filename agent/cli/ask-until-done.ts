import { parseDuration } from '../formats/duration.ts';
import type { RequestBody } from '../control/protocol.ts';
import { isFinal } from '../control/try-again.ts';
import type { Result } from '../lifecycle/model/api.ts';
import { type Clock, sleep } from '../system/clock.ts';
import { type LastcallError, isLastcallError } from '../system/error.ts';
import type { SidecarSubstitute } from './open-substitute.ts';
import { type OperationClient, type ProgressListener, waitForResult } from './wait-for-result.ts';

/**
 * The default of `drain.timeout`, since only the sidecar has the real value; the CLI waits for a sidecar as long as
 * a drain waits for users.
 */
const PATIENCE_MS = 30 * 60_000;
const RETRY_FIRST_MS = 250;
const RETRY_LONGEST_MS = 5_000;
/** How long the sidecar is waited for before this process does its work: an upgrade, or a restart after a crash, takes less. */
export const SIDECAR_MS = 30_000;

/**
 * `--no-refuse`: for a caller that ends the application whatever the answer is. A request that the sidecar cannot
 * take up now, because it is away or because an operator holds the node, is made again until it is done or until
 * its time is over; that time is one for all attempts. After 30 seconds without an answer of the sidecar this
 * process takes its place, where possible: while the machine shuts down systemd starts no sidecar.
 * @returns the result of the last attempt
 * @throws LastcallError of the last attempt | the signal's reason
 */
export async function askUntilDone(
  sidecar: OperationClient,
  body: RequestBody,
  listener: ProgressListener,
  { clock, substitute }: { readonly clock: Clock; readonly substitute: SidecarSubstitute['open'] | null },
  signal: AbortSignal,
): Promise<Result> {
  const end = clock.now() + patienceOf(body);
  let [client, heard] = [sidecar, clock.now()];
  const hearing = whenHeard(listener, () => (heard = clock.now()));
  for (let pauseMs = RETRY_FIRST_MS, asked = body; ; pauseMs = Math.min(2 * pauseMs, RETRY_LONGEST_MS)) {
    const lostMs = client === sidecar && substitute !== null ? SIDECAR_MS : null;
    const outcome = await attempt(client, asked, hearing, clock, signal, lostMs);
    signal.throwIfAborted();
    const leftMs = end - clock.now();
    if ('result' in outcome) {
      const { result } = outcome;
      heard = clock.now();
      if (result.ok || isFinal(result.code, body.operation) || leftMs <= 0) return result;
      listener.again(result.message ?? result.code);
    } else {
      const { error } = outcome;
      if (isFinal(error.code, body.operation) || leftMs <= 0) throw error;
      listener.again(error.message);
      const isAway = error.code === 'agent-unreachable' && clock.now() - heard >= SIDECAR_MS;
      if (isAway && client === sidecar && substitute !== null)
        client = (await opened(substitute, listener)) ?? sidecar;
    }
    await sleep(clock, Math.min(pauseMs, leftMs), signal);
    asked = { ...body, timeout: `${Math.max(1, Math.ceil((end - clock.now()) / 1_000))}s` };
  }
}

function whenHeard(listener: ProgressListener, heard: () => void): ProgressListener {
  return {
    ...listener,
    accepted(id, joined) {
      heard();
      listener.accepted(id, joined);
    },
    status(status) {
      heard();
      listener.status(status);
    },
  };
}

async function opened(
  substitute: SidecarSubstitute['open'],
  listener: ProgressListener,
): Promise<OperationClient | null> {
  try {
    return await substitute();
  } catch (error) {
    if (!isLastcallError(error)) throw error;
    listener.again(`its work cannot be done without it either: ${error.message}`);
    return null;
  }
}

type PersistOutcome = { readonly result: Result } | { readonly error: LastcallError };

async function attempt(
  ...[client, body, listener, clock, signal, lostMs]: Parameters<typeof waitForResult>
): Promise<PersistOutcome> {
  try {
    return { result: await waitForResult(client, body, listener, clock, signal, lostMs) };
  } catch (error) {
    if (!isLastcallError(error)) throw error;
    return { error };
  }
}

function patienceOf({ timeout }: RequestBody): number {
  const parsed = timeout === undefined ? null : parseDuration(timeout);
  return parsed?.ok === true ? parsed.ms : PATIENCE_MS;
}
