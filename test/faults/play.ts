import { messageOf } from '../../agent/system/error.ts';
import { type Fault, NotHere } from './fault.ts';
import type { FaultOutcome } from './report.ts';
import { withLimit } from '../support/with-limit.ts';
import { openStage, type OpenStage } from './fault-stage.ts';

/** How long a fault may take, in milliseconds, where its row says nothing else. */
const DEADLINE_MS = 60_000;

/**
 * Makes one fault and takes everything away again.
 * @param stop ends it early; it is reported as failed then
 * @returns never rejects: what goes wrong is what was seen
 */
export async function play(fault: Fault, stop: AbortSignal): Promise<FaultOutcome> {
  const began = performance.now();
  const outcome = (is: FaultOutcome['is'], seen: string, figure: string | null = null): FaultOutcome => ({
    fault,
    is,
    seen,
    figure,
    seconds: (performance.now() - began) / 1000,
  });
  if (fault.run === undefined) return outcome('not made', fault.notMade ?? 'no reason is given');
  const stage = openStage();
  try {
    const { run } = fault;
    const seen = await withLimit(stop, fault.deadlineMs ?? DEADLINE_MS, (signal) =>
      unlessAborted(run(stage), signal),
    );
    return outcome(seen.isAsExpected ? 'ok' : 'failed', seen.text, seen.figure ?? null);
  } catch (error) {
    if (error instanceof NotHere) return outcome('not made', error.message);
    return outcome('failed', messageOf(error));
  } finally {
    await takeAway(stage);
  }
}

/** What is left behind is said aloud; it does not change what was seen. */
async function takeAway(stage: OpenStage): Promise<void> {
  try {
    await stage.close();
  } catch (error) {
    const causes = error instanceof AggregateError ? error.errors.map(messageOf).join('; ') : '';
    process.stderr.write(`faults: ${messageOf(error)}: ${causes}\n`);
  }
}

/** @throws what the signal was aborted with */
function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason as Error);
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}
