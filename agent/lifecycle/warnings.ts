/** The warnings of an operation: what each is about makes it one, not its text, which may tell of a time or a count. */

export interface Warning {
  readonly subject: string;
  readonly text: string;
}

/** So many are told in a result; of those that come later the log has the texts, and the result how many they are. */
export const MOST_WARNINGS = 50;
/** Of so many it is known that they were told. */
const MOST_SUBJECTS = 500;

/** With one more, or with its newest text; the same list where that changes nothing. */
export function withWarning(all: readonly Warning[], { subject, text }: Warning): readonly Warning[] {
  const place = all.findIndex((one) => one.subject === subject);
  const kept = (place < 0 ? all.length : place) < MOST_WARNINGS ? text : '';
  if (place < 0) return all.length < MOST_SUBJECTS ? [...all, { subject, text: kept }] : all;
  return all[place]?.text === kept ? all : all.with(place, { subject, text: kept });
}

/** Whether the log has to be told: nothing of it was, or what was differs in more than its numbers. */
export function isNews(all: readonly Warning[], { subject, text }: Warning): boolean {
  const told = all.find((one) => one.subject === subject);
  if (told === undefined) return all.length < MOST_SUBJECTS;
  return told.text !== '' && shapeOf(told.text) !== shapeOf(text);
}

function shapeOf(text: string): string {
  return text.replaceAll(/\d+/g, '#');
}

/** As a result tells them: the oldest, and how many more there were. */
export function textsOf(all: readonly Warning[]): string[] {
  const more = all.length - MOST_WARNINGS;
  const texts = all.slice(0, MOST_WARNINGS).map(({ text }) => text);
  return more > 0 ? [...texts, `${more} more warnings are in the log`] : texts;
}

/** Warnings that are given once, together: each is about what it says. */
export function asWarnings(texts: readonly string[]): readonly Warning[] {
  return texts.reduce<readonly Warning[]>((all, text) => withWarning(all, { subject: text, text }), []);
}
