import type { Result } from '../lifecycle/model/api.ts';
import type { Log } from '../system/log-port.ts';

/**
 * Writes the end of an operation, or its refusal, to the log: one line, whatever made the request (a caller, the
 * schedule, a signal, the application, an expiry), since the last four read no answer: with its warnings, for the same reason.
 */
export function logResult(log: Log, result: Result, refused: boolean): void {
  const { ok, operation, code, id, node, reason, message, warnings, plan } = result;
  if (plan !== undefined) return;
  const details = {
    ...(message === undefined ? {} : { message }),
    ...(warnings.length === 0 ? {} : { warnings }),
  };
  const about = { node, id, operation, code, reason, ...details };
  if (ok) log.info(`${operation} has ended`, about);
  else log.warn(`${operation} ${refused ? 'was refused' : 'has not ended well'}: ${code}`, about);
}
