import { styleText } from 'node:util';
import { formatDuration } from '../../formats/duration.ts';
import type { Context, Output } from '../ports.ts';

/** Short texts that several renderers share. */

const BARS = '▁▂▃▄▅▆▇█';

/** The last counts as a row of bars, the highest of them full; what was unknown is a blank. */
export function sparkline(counts: readonly (number | null)[]): string {
  const highest = Math.max(1, ...counts.map((count) => count ?? 0));
  return counts
    .map((count) => (count === null ? ' ' : (BARS[Math.round((count / highest) * (BARS.length - 1))] ?? '')))
    .join('');
}

/** Unknown is never zero. */
export function countText(count: number | null): string {
  return count === null ? 'unknown' : String(count);
}

export function sessionsText(count: number | null): string {
  if (count === null) return 'sessions unknown';
  return count === 1 ? '1 session' : `${count} sessions`;
}

/** @param seconds as in a result or a status */
export function secondsText(seconds: number): string {
  return formatDuration(Math.max(0, seconds) * 1_000);
}

/** How long ago that was. @param iso ISO time */
export function age(iso: string, now: Date): string {
  return secondsText((now.getTime() - Date.parse(iso)) / 1_000);
}

export type Style = 'bold' | 'dim' | 'red' | 'yellow' | 'green' | 'blue' | 'magenta' | 'cyan';
export type Paint = (style: Style, text: string) => string;

/** Colours on a terminal, unless the user turned them off (no-color.org). */
export function painter({ ports }: Context, output: Output): Paint {
  const plain = output.isTTY !== true || (ports.env['NO_COLOR'] ?? '') !== '' || ports.env['TERM'] === 'dumb';
  // Whether there are colours is decided here; Node would look at its own standard output.
  return (style, text) => (plain ? text : styleText(style, text, { validateStream: false }));
}
