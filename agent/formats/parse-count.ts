import { LastcallError } from '../system/error.ts';
import { quotedStart } from '../system/printable.ts';

/** What a count of sessions is, and how a driver reports that it has none. Pure. */

/** Why there is no number, as the end of a sentence. */
export interface CountProblem {
  readonly problem: string;
}

/** A text of nothing but digits, with blanks around them at most. */
export function parseCount(text: string): number | CountProblem {
  if (!/^\s*\d+\s*$/.test(text)) return noCount(text);
  return whole(Number(text), text);
}

/**
 * A value that is a count already. A number in quotes is refused: an application that writes "0" may also write "" or "n/a" for it.
 * @param text the value as it was written, for the message
 */
export function whole(value: unknown, text: string): number | CountProblem {
  const isCount = typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
  return isCount && !Object.is(value, -0) ? value : noCount(text);
}

/** Several counts together, or the first problem among them. */
export function sum(counts: readonly (number | CountProblem)[]): number | CountProblem {
  let total = 0;
  for (const count of counts) {
    if (typeof count !== 'number') return count;
    total += count;
  }
  return whole(total, String(total));
}

export function noCount(text: string): CountProblem {
  return { problem: `${excerpt(text)} is no count of sessions` };
}

/** The beginning of a text from outside, in quotes and without a character that a terminal obeys. */
export function excerpt(text: string): string {
  return quotedStart(text, 40);
}

/** The count, or an error with the reason why it is unknown. */
export function countOrThrow(
  count: number | CountProblem,
  detail: { readonly target: string; readonly elapsedMs: number; readonly next: string },
): number {
  if (typeof count === 'number') return count;
  throw new LastcallError('failed', `${detail.target}: ${count.problem}`, detail);
}
