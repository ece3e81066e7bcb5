import type { StatusServer } from '../../lifecycle/model/api.ts';
import type { Paint, Style } from './format.ts';

/** The state of a server: HAProxy's own text in a colour that no other state has; each of the two is enough. */

const STYLES: ReadonlyMap<string, Style> = new Map<string, Style>([
  ['READY', 'green'],
  ['UP', 'green'],
  ['DRAIN', 'yellow'],
  ['MAINT', 'blue'],
  ['DOWN', 'red'],
]);
const UNKNOWN = 'magenta';
const HELD = 'cyan';

/** A state of HAProxy's, such as `DRAIN` or `DOWN 1/2`; null = not known. */
export function stateText(state: string | null, paint: Paint): string {
  if (state === null) return unknownText(paint);
  const text = state.toUpperCase();
  const style = STYLES.get(/^\w+/.exec(text)?.[0] ?? '');
  return style === undefined ? text : paint(style, text);
}

/** HAProxy's check of a server: out of service by MAINT it is not checked, and its DOWN is no alarm. */
export function checkText({ admin, operational }: StatusServer, paint: Paint): string {
  if (admin === 'maint' && operational !== null) return paint('dim', operational.toUpperCase());
  return stateText(operational, paint);
}

/** The owner of the state that keeps the server out of rotation; an owner other than lastcall holds it. */
export function ownerText({ owner }: StatusServer, paint: Paint): string {
  return owner === 'operator' || owner === 'config' ? paint(HELD, `held by ${owner}`) : owner;
}

/** Unknown is never zero. */
export function countCell(count: number | null, paint: Paint): string {
  return count === null ? unknownText(paint) : String(count);
}

function unknownText(paint: Paint): string {
  return paint(UNKNOWN, 'unknown');
}
