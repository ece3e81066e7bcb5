import type { FleetLock } from '../fleet/lock.ts';
import { type Code, LastcallError } from '../system/error.ts';

/** Frees the slot of a node that no longer exists (`lastcall unlock`). */

export interface UnlockRequest {
  /** The node whose slot is freed. */
  readonly node: string;
  readonly reason: string;
  /** The caller, as claimed. */
  readonly by: string;
}

export interface Unlocked {
  readonly ok: boolean;
  readonly code: Code;
  readonly node: string;
  readonly message: string;
}

/**
 * Frees a slot only where the sign of life of its sidecar has ended, or cannot be seen, and only as it was read.
 * @returns done, also where it holds no slot and waits for none; `locked`: its sidecar lives, with a slot or a place in the
 *   queue, which ends with its process; `busy`: its slot has changed meanwhile
 * @throws LastcallError `config` without a lock; as `FleetLock.look`
 */
export async function unlock(
  lock: FleetLock | null,
  { node }: UnlockRequest,
  signal: AbortSignal,
): Promise<Unlocked> {
  if (lock === null)
    throw new LastcallError('config', `no lock is configured, so ${node} holds no slot`, {
      target: node,
      next: 'ask a node of its pool',
    });
  const { holders, waiters } = await lock.look(signal);
  const own = holders.filter(({ claim }) => claim.node === node);
  const answer = (ok: boolean, code: Code, message: string): Unlocked => ({ ok, code, node, message });
  // The lock shows a place in the queue only while the sign of life of its sidecar has not ended.
  const waits = waiters.find(({ claim }) => claim.node === node);
  if (own.length === 0 && waits?.isUnseen === true) {
    await lock.give(waits.claim, signal);
    return answer(true, 'done', `${node}: its place in the queue is free${UNSEEN}`);
  }
  if (own.length === 0 && waits !== undefined)
    return answer(
      false,
      'locked',
      `${node} holds no slot, and waits at place ${waits.position} in the queue: its sidecar lives, and its place ends with it`,
    );
  if (own.length === 0) return answer(true, 'done', `${node} holds no slot at ${lock.name}`);
  if (own.some(({ alive, isUnseen }) => alive && isUnseen !== true))
    return answer(
      false,
      'locked',
      `${node}: its sidecar lives, and gives its slot back by itself: \`lastcall ready\` there`,
    );
  for (const holder of own)
    if (!(await lock.free(holder, signal)))
      return answer(false, 'busy', `${node}: its slot has changed in this moment; see \`lastcall status\``);
  const warning = own.some(({ isUnseen }) => isUnseen) ? UNSEEN : '';
  return answer(true, 'done', `${node}: its slot of pool ${own[0]?.claim.pool ?? ''} is free${warning}`);
}

const UNSEEN =
  '; its process was in another pid namespace (a container), so it could not be seen whether it lives: see that it does not';
