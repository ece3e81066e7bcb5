import type { ReloadedIn, ReloadReport } from './reload-campaign.ts';

/**
 * The poll that sees it, then read and write, and a poll that was under way already: 2 or 3 are usual. The survey of a new
 * worker has three exchanges of its own, which may pass in between.
 */
const MOST_EXCHANGES = 6;

/**
 * Which promises a reload has broken, in words.
 * @param keepsState it was reloaded with a fresh server-state file
 */
export function brokenBy(report: ReloadReport, phase: ReloadedIn, keepsState: boolean): string[] {
  const { results, stops, stoppedWith, leaked, untilSaid, failed, lost, failures } = report;
  return [
    ...results.flatMap(({ ok, operation, code, message }) =>
      ok ? [] : [`${operation} ended with ${code}: ${message ?? 'no message'}`],
    ),
    ...(stops === 1 ? [] : [`${stops} stops`]),
    ...(stoppedWith === 0 ? [] : [`stopped with ${stoppedWith} sessions`]),
    ...(keepsState && (leaked ?? 0) > 0 ? [`${leaked} came in`] : []),
    ...brokenWord(untilSaid, phase, keepsState),
    ...(mayLose(report, phase, keepsState) || failed + lost === 0
      ? []
      : [`${failed} requests failed, ${lost} sessions were lost: ${failures.join('; ')}`]),
  ];
}

function brokenWord(untilSaid: readonly number[], phase: ReloadedIn, keepsState: boolean): string[] {
  // In service nothing is to be put right, and a return, which may be reached by then, wants READY.
  const isForgotten = !keepsState && !['serving', 'warming', 'returning'].includes(phase);
  const late = untilSaid.filter((exchanges) => exchanges > MOST_EXCHANGES);
  return [
    ...(isForgotten && untilSaid.length === 0 ? ['the state was not set again'] : []),
    ...late.map((exchanges) => `the state was set again after ${exchanges} exchanges`),
  ];
}

/**
 * Between SIGTERM and its end the application takes users that a reload sends; only a gate or a state file closes
 * this.
 */
function mayLose({ isLate }: ReloadReport, phase: ReloadedIn, keepsState: boolean): boolean {
  return (phase === 'stopping' || isLate) && !keepsState;
}
