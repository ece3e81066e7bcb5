import type { Result } from '../lifecycle/model/api.ts';
import type { Log } from '../system/log-port.ts';

/**
 * Writes the end of an operation, or its refusal, to the log: one line, whatever made the request (a caller, the
 * schedule, a signal, the application, an expiry), since the last four read no answer.
 */
export function logResult(log: Log, result: Result, refused: boolean): void {
  const { ok, operation, code, id, node, reason, message, plan } = result;
  if (plan !== undefined) return;
  const about = { node, id, operation, code, reason, ...(message === undefined ? {} : { message }) };
  if (ok) log.info(`${operation} has ended`, about);
  else log.warn(`${operation} ${refused ? 'was refused' : 'has not ended well'}: ${code}`, about);
}
