import type { OperationKind } from '../model/api.ts';
import { OWN_TERMS } from '../model/policy.ts';
import { NO_WISH, type WishKind } from '../model/state.ts';
import { alarm, ownId, patch, type Turn } from '../draft.ts';

/**
 * Operations that lastcall starts itself because of a lasting state: a drain that has expired, an application that
 * has signed itself out. A refused request raises an alarm and is made again as long as that state lasts.
 */

const RETRY_FIRST_MS = 5_000;
const RETRY_LONGEST_MS = 60_000;

/** Makes the request unless it is being checked, or was refused a moment ago. */
export function wish(turn: Turn, kind: WishKind, does: OperationKind, by: string, reason: string): void {
  const { asked, retryAt } = turn.state.wishes[kind];
  if (asked !== null || turn.at < retryAt) return;
  const id = ownId(turn, by);
  setWish(turn, kind, { asked: id });
  patch(turn, { queue: [...turn.state.queue, { ...OWN_TERMS, id, kind: does, reason, by }] });
}

/** The state that called for it is over, or what it called for is done. */
export function noWish(turn: Turn, kind: WishKind): void {
  if (turn.state.wishes[kind] !== NO_WISH) patch(turn, { wishes: { ...turn.state.wishes, [kind]: NO_WISH } });
  alarm(turn, kind, null);
}

/** A request of this kind was accepted or answered (`why` null), or refused. */
export function onWishAnswered(turn: Turn, id: string, why: string | null): void {
  const kind = (['expiry', 'sign-out'] as const).find((one) => turn.state.wishes[one].asked === id);
  if (kind === undefined) return;
  if (why === null) {
    // From here on `ready` is the operator's answer to it.
    if (kind === 'sign-out') patch(turn, { signedOut: 'heard' });
    return noWish(turn, kind);
  }
  const { failures } = turn.state.wishes[kind];
  const pause = Math.min(RETRY_FIRST_MS * 2 ** failures, RETRY_LONGEST_MS);
  setWish(turn, kind, { asked: null, failures: failures + 1, retryAt: turn.at + pause });
  const what =
    kind === 'expiry' ? 'the drain has expired and cannot be ended' : 'the application signed itself out';
  alarm(turn, kind, `${what}: ${why}; it is tried again`);
}

/** When the next one may be made again, in monotonic milliseconds. */
export function nextWishes({ wishes }: Turn['state']): number[] {
  return Object.values(wishes).flatMap(({ asked, failures, retryAt }) =>
    asked === null && failures > 0 ? [retryAt] : [],
  );
}

function setWish(turn: Turn, kind: WishKind, changes: Partial<(typeof turn.state.wishes)[WishKind]>): void {
  const { wishes } = turn.state;
  patch(turn, { wishes: { ...wishes, [kind]: { ...wishes[kind], ...changes } } });
}
