import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Asks again every few milliseconds until `ask` gives something other than undefined or false; for a change in
 * another process that is not announced.
 * @throws Error naming `what` after 45 seconds
 */
export async function until<T>(
  what: string,
  ask: () => Promise<T> | T,
): Promise<Exclude<T, false | undefined>> {
  const late = performance.now() + 45_000;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined && answer !== false) return answer as Exclude<T, false | undefined>;
    if (performance.now() > late) throw new Error(`never came true: ${what}`);
    await sleep(5);
  }
}
