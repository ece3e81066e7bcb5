import type { Client } from '../haproxy/client.ts';
import { isLastcallError, LastcallError } from '../system/error.ts';

/** A HAProxy in front of this node that is only read, never written. */
export interface HaproxyTarget {
  readonly client: Client;
  /** The node's servers there, `backend/server`. */
  readonly servers: readonly string[];
}

/**
 * Asks all targets at once. Each must answer: one that does not may have users that no other has.
 * @throws LastcallError `failed` with the error of the first one without an answer, or the signal's reason
 */
export async function queryAll<F, T>(
  targets: readonly F[],
  signal: AbortSignal,
  ask: (target: F) => Promise<T>,
): Promise<T[]> {
  signal.throwIfAborted();
  const answers = await Promise.allSettled(targets.map(ask));
  signal.throwIfAborted();
  return answers.map((answer) => {
    if (answer.status === 'fulfilled') return answer.value;
    throw unknown(answer.reason);
  });
}

/** The error of a source for a HAProxy that it could not ask. */
function unknown(reason: unknown): unknown {
  if (!isLastcallError(reason)) return reason;
  const { message, target = '', elapsedMs = 0, next = '' } = reason;
  return new LastcallError('failed', message, { target, elapsedMs, next, cause: reason });
}

/** @throws LastcallError `config` when there is none */
export function requireTargets(targets: readonly HaproxyTarget[], source: string): void {
  if (targets.length > 0) return;
  throw new LastcallError('config', `${source} asks HAProxy, and no balancer is listed as \`haproxy\``, {
    target: source,
    next: 'list the Runtime API of a HAProxy among the balancers',
  });
}
