import { EXIT_CODES, LastcallError, isLastcallError, messageOf } from '../../system/error.ts';
import { printableLine } from './printable.ts';
import type { Context } from '../ports.ts';

/**
 * Reports what ended a command before there was a result: one line on stderr, with `--json` one object on stdout.
 * @returns the exit code
 */
export function reportFailure(
  { ports, globals }: Context,
  thrown: unknown,
  operation: string | undefined,
): number {
  const error = isLastcallError(thrown)
    ? thrown
    : new LastcallError('failed', messageOf(thrown), { cause: thrown });
  ports.stderr.write(`lastcall: ${oneLine(error)}\n`);
  if (globals.json === true) {
    ports.stdout.write(
      `${JSON.stringify({
        ok: false,
        code: error.code,
        operation,
        message: error.message,
        target: error.target,
        next: error.next,
        seconds: error.elapsedMs === undefined ? undefined : Math.round(error.elapsedMs) / 1000,
      })}\n`,
    );
  }
  return EXIT_CODES[error.code];
}

/** The error, its target, the elapsed time, and the next step. */
function oneLine(error: LastcallError): string {
  const { message, target, elapsedMs, next } = error;
  const about = [
    ...(target === undefined || message.includes(target) ? [] : [target]),
    ...(elapsedMs === undefined ? [] : [`after ${(elapsedMs / 1000).toFixed(1)} s`]),
  ];
  const detail = about.length === 0 ? '' : ` (${about.join(', ')})`;
  return printableLine(`${message}${detail}${next === undefined ? '' : `; ${next}`}`);
}
