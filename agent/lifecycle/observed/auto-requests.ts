import type { OperationKind } from '../model/api.ts';
import { OWN_TERMS } from '../model/policy.ts';
import { NO_WISH, type WishKind } from '../model/state.ts';
import { alarm, ownId, patch, type Draft } from '../draft.ts';

/**
 * Operations that lastcall starts itself because of a lasting state: a drain that has expired, an application that
 * has signed itself out. A refused request raises an alarm and is made again as long as that state lasts.
 */

const RETRY_FIRST_MS = 5_000;
const RETRY_LONGEST_MS = 60_000;

/** Makes the request unless it is being checked, or was refused a moment ago. */
export function wish(draft: Draft, kind: WishKind, does: OperationKind, by: string, reason: string): void {
  const { asked, retryAt } = draft.state.wishes[kind];
  if (asked !== null || draft.at < retryAt) return;
  const id = ownId(draft, by);
  setWish(draft, kind, { asked: id });
  patch(draft, { queue: [...draft.state.queue, { ...OWN_TERMS, id, kind: does, reason, by }] });
}

/** The state that called for it is over, or what it called for is done. */
export function noWish(draft: Draft, kind: WishKind): void {
  if (draft.state.wishes[kind] !== NO_WISH)
    patch(draft, { wishes: { ...draft.state.wishes, [kind]: NO_WISH } });
  alarm(draft, kind, null);
}

/** A request of this kind was accepted or answered (`why` null), or refused. */
export function onWishAnswered(draft: Draft, id: string, why: string | null): void {
  const kind = (['expiry', 'sign-out'] as const).find((one) => draft.state.wishes[one].asked === id);
  if (kind === undefined) return;
  if (why === null) {
    // From here on `ready` is the operator's answer to it.
    if (kind === 'sign-out') patch(draft, { signedOut: 'heard' });
    return noWish(draft, kind);
  }
  const { failures } = draft.state.wishes[kind];
  const pause = Math.min(RETRY_FIRST_MS * 2 ** failures, RETRY_LONGEST_MS);
  setWish(draft, kind, { asked: null, failures: failures + 1, retryAt: draft.at + pause });
  const what =
    kind === 'expiry' ? 'the drain has expired and cannot be ended' : 'the application signed itself out';
  alarm(draft, kind, `${what}: ${why}; it is tried again`);
}

/** When the next one may be made again, in monotonic milliseconds. */
export function nextWishes({ wishes }: Draft['state']): number[] {
  return Object.values(wishes).flatMap(({ asked, failures, retryAt }) =>
    asked === null && failures > 0 ? [retryAt] : [],
  );
}

function setWish(
  draft: Draft,
  kind: WishKind,
  changes: Partial<(typeof draft.state.wishes)[WishKind]>,
): void {
  const { wishes } = draft.state;
  patch(draft, { wishes: { ...wishes, [kind]: { ...wishes[kind], ...changes } } });
}
