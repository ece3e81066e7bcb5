import { isLastcallError, messageOf } from './error.ts';

/** One line: the error, its target, the elapsed time, and the next step. */
export function errorText(error: unknown): string {
  if (!isLastcallError(error)) return messageOf(error);
  const target = error.target && !error.message.includes(error.target) ? `${error.target}: ` : '';
  const elapsedMs = Math.round(error.elapsedMs ?? 0);
  const took = elapsedMs === 0 ? '' : ` (after ${elapsedMs} ms)`;
  return `${target}${error.message}${took}${error.next ? `; ${error.next}` : ''}`;
}
