import { howMany } from './how-many.ts';
import { countsUsers, type Policy } from './policy.ts';

/**
 * The warnings of an operation, identified by their subject and not by their text, which may contain a time or a
 * count.
 */

export interface Warning {
  readonly subject: string;
  readonly text: string;
}

/** The most warnings in a result; later ones are in the log, and the result has their number. */
export const MOST_WARNINGS = 50;
/** The most subjects that are remembered as logged. */
const MOST_SUBJECTS = 500;

/** With one more, or with its newest text; the same list where that changes nothing. */
export function withWarning(all: readonly Warning[], { subject, text }: Warning): readonly Warning[] {
  const place = all.findIndex((one) => one.subject === subject);
  const kept = (place < 0 ? all.length : place) < MOST_WARNINGS ? text : '';
  if (place < 0) return all.length < MOST_SUBJECTS ? [...all, { subject, text: kept }] : all;
  return all[place]?.text === kept ? all : all.with(place, { subject, text: kept });
}

/** Must the log get it? If the subject is new, or more than the numbers of its text has changed. */
export function isNews(all: readonly Warning[], { subject, text }: Warning): boolean {
  const earlier = all.find((one) => one.subject === subject);
  if (earlier === undefined) return all.length < MOST_SUBJECTS;
  return earlier.text !== '' && shapeOf(earlier.text) !== shapeOf(text);
}

function shapeOf(text: string): string {
  return text.replaceAll(/\d+/g, '#');
}

/** The texts for a result: the oldest, and the number of the others. */
export function textsOf(all: readonly Warning[]): string[] {
  const more = all.length - MOST_WARNINGS;
  const texts = all.slice(0, MOST_WARNINGS).map(({ text }) => text);
  return more > 0 ? [...texts, `${more} more warnings are in the log`] : texts;
}

/** Warnings that are given once, together: the text is the subject. */
export function asWarnings(texts: readonly string[]): readonly Warning[] {
  return texts.reduce<readonly Warning[]>((all, text) => withWarning(all, { subject: text, text }), []);
}

/** The warning in the result of an operation that was forced past `unkeepable`. */
export function costOf(
  policy: Policy,
  { hashed, sessionsStart }: { readonly hashed: string | null; readonly sessionsStart: number | null },
): string[] {
  if (hashed === null) return [];
  const known = countsUsers(policy) && sessionsStart !== null;
  const users = howMany(known ? sessionsStart : null, 'user');
  return [`${hashed}: the DRAIN made the hash anew: the sessions of ${users} of this node were at risk`];
}
