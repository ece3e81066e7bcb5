import { sleep, withDeadline, type Clock } from '../system/clock.ts';
import { LastcallError } from '../system/error.ts';
import type { Ports } from './ports.ts';

/** How long a stop command that succeeded may leave its application answering the probe. */
const GONE_PATIENCE_MS = 10_000;

/** Where no process proves the end, it takes as many bad probes in a row as make the application unhealthy, at the probe's pace. */
export function untilProbeFails(
  clock: Clock,
  probing: NonNullable<Ports['probing']>,
  signal: AbortSignal,
): Promise<void> {
  const { probe, everyMs, timeoutMs, fall } = probing;
  const patienceMs = GONE_PATIENCE_MS + fall * (everyMs + timeoutMs);
  const late = (): LastcallError =>
    new LastcallError('app-stop', 'the stop succeeded, but the application still answers its probe', {
      elapsedMs: patienceMs,
      next: 'see which process answers there',
    });
  return withDeadline(clock, patienceMs, signal, late, async (own) => {
    for (let bad = 0; ; await sleep(clock, everyMs, own)) {
      bad = (await probe.ask(own)).kind === 'unhealthy' ? bad + 1 : 0;
      if (bad >= fall) return;
    }
  });
}
