/** Durations as people write them. Pure and without imports: the CLI uses it without loading the configuration. */

/**
 * The longest duration there is: Node's timers count in a signed 32-bit number of milliseconds and fire at once when
 * it overflows (node:timers, TIMEOUT_MAX). A little under 25 days.
 */
export const MAX_DURATION_MS = 2_147_483_647;

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;

const SHAPE = /^(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?$/;
const UNITS_MS = [HOUR_MS, MINUTE_MS, SECOND_MS, 1];

export type Duration =
  { readonly ok: true; readonly ms: number } | { readonly ok: false; readonly message: string };

/**
 * Reads `500ms`, `2s`, `5m`, `1h30m`: hours, minutes, seconds and milliseconds, each once and in this order.
 * @param zero whether a duration of nothing (`0s`) is legal here
 * @returns milliseconds, or why the text is invalid; it never throws
 */
export function parseDuration(text: string, zero: 'zero' | 'no-zero' = 'no-zero'): Duration {
  const parts = SHAPE.exec(text);
  if (parts === null || text === '') return refused(text, shapeProblem(text, zero));
  const ms = UNITS_MS.reduce((sum, unit, at) => sum + Number(parts[at + 1] ?? 0) * unit, 0);
  if (ms > MAX_DURATION_MS) return refused(text, 'is longer than 596h, the longest a timer can wait');
  if (ms === 0 && zero === 'no-zero') return refused(text, 'must be longer than nothing');
  return { ok: true, ms };
}

/**
 * What is wrong with a number in the place of a duration, with an example that is accepted.
 * @param zero as for `parseDuration`
 */
export function durationAdvice(number: number, zero: 'zero' | 'no-zero'): string {
  if (number < 0) return 'must not be negative, write for example 30s';
  const meant = [`${number}s`, `${number * SECOND_MS}ms`].find((text) => parseDuration(text, zero).ok);
  return `has no unit, write for example ${meant ?? '30s'}`;
}

function shapeProblem(text: string, zero: 'zero' | 'no-zero'): string {
  if (/^\d+(\.\d+)?$/.test(text)) return durationAdvice(Number(text), zero);
  if (text.startsWith('-')) return 'must not be negative';
  return 'is not a duration, write for example 500ms, 2s, 5m or 1h30m';
}

function refused(text: string, why: string): Duration {
  const shown = text.length > 40 ? `${text.slice(0, 40)}...` : text;
  return { ok: false, message: `${JSON.stringify(shown)} ${why}` };
}

/**
 * Writes milliseconds for people, in at most two units: `250ms`, `1.5s`, `12s`, `1m 30s`, `2h 5m`.
 * @param ms 0 or more
 */
export function formatDuration(ms: number): string {
  if (ms < 999.5) return `${Math.round(ms)}ms`;
  if (ms < 9_950) return `${Math.round(ms / 100) / 10}s`;
  const seconds = Math.round(ms / SECOND_MS);
  if (seconds < 60) return `${seconds}s`;
  if (seconds < 3600) return twoUnits(Math.floor(seconds / 60), 'm', seconds % 60, 's');
  const minutes = Math.round(ms / MINUTE_MS);
  return minutes < 60 ? `${minutes}m` : twoUnits(Math.floor(minutes / 60), 'h', minutes % 60, 'm');
}

function twoUnits(big: number, bigUnit: string, small: number, smallUnit: string): string {
  return small === 0 ? `${big}${bigUnit}` : `${big}${bigUnit} ${small}${smallUnit}`;
}
