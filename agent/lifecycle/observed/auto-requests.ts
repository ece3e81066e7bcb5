import type { OperationKind } from '../model/api.ts';
import { OWN_TERMS } from '../model/policy.ts';
import { NO_OWN_REQUEST, type OwnRequestKind } from '../model/state.ts';
import { alarm, ownId, patch, type Draft } from '../step-draft.ts';

/**
 * Operations that lastcall starts itself because of a lasting state: a drain that has expired, an application that
 * has signed itself out. A refused request raises an alarm and is made again as long as that state lasts.
 */

const RETRY_FIRST_MS = 5_000;
const RETRY_LONGEST_MS = 60_000;

/** Makes the request unless it is being checked, or was refused a moment ago. */
export function requestOwn(
  draft: Draft,
  kind: OwnRequestKind,
  does: OperationKind,
  by: string,
  reason: string,
): void {
  const { asked, retryAt } = draft.state.ownRequests[kind];
  if (asked !== null || draft.at < retryAt) return;
  const id = ownId(draft, by);
  setOwnRequest(draft, kind, { asked: id });
  patch(draft, { queue: [...draft.state.queue, { ...OWN_TERMS, id, kind: does, reason, by }] });
}

/** The state that called for it is over, or what it called for is done. */
export function withdrawOwn(draft: Draft, kind: OwnRequestKind): void {
  if (draft.state.ownRequests[kind] !== NO_OWN_REQUEST)
    patch(draft, { ownRequests: { ...draft.state.ownRequests, [kind]: NO_OWN_REQUEST } });
  alarm(draft, kind, null);
}

/** What refused it is over: the next one need not wait. */
export function retryOwn(draft: Draft, kind: OwnRequestKind): void {
  const { asked, failures } = draft.state.ownRequests[kind];
  if (asked === null && failures > 0) setOwnRequest(draft, kind, NO_OWN_REQUEST);
}

/** A request of this kind was accepted or answered (`why` null), or refused. */
export function onOwnRequestAnswered(draft: Draft, id: string, why: string | null): void {
  const kind = (['expiry', 'sign-out'] as const).find((one) => draft.state.ownRequests[one].asked === id);
  if (kind === undefined) return;
  if (why === null) {
    // From here on `ready` is the operator's answer to it.
    if (kind === 'sign-out') patch(draft, { signedOut: 'heard' });
    return withdrawOwn(draft, kind);
  }
  const { failures } = draft.state.ownRequests[kind];
  const pause = Math.min(RETRY_FIRST_MS * 2 ** failures, RETRY_LONGEST_MS);
  setOwnRequest(draft, kind, { asked: null, failures: failures + 1, retryAt: draft.at + pause });
  const what =
    kind === 'expiry' ? 'the drain has expired and cannot be ended' : 'the application signed itself out';
  alarm(draft, kind, `${what}: ${why}; it is tried again`);
}

/** When the next one may be made again, in monotonic milliseconds. */
export function nextOwnRequests({ ownRequests }: Draft['state']): number[] {
  return Object.values(ownRequests).flatMap(({ asked, failures, retryAt }) =>
    asked === null && failures > 0 ? [retryAt] : [],
  );
}

function setOwnRequest(
  draft: Draft,
  kind: OwnRequestKind,
  changes: Partial<(typeof draft.state.ownRequests)[OwnRequestKind]>,
): void {
  const { ownRequests } = draft.state;
  patch(draft, { ownRequests: { ...ownRequests, [kind]: { ...ownRequests[kind], ...changes } } });
}
