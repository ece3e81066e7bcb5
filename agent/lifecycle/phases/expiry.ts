import { isHolding } from '../model/desired.ts';
import { alarm, patch, patchOuting, save, type Draft } from '../step-draft.ts';
import { requestOwn, retryOwn, withdrawOwn } from '../observed/auto-requests.ts';

/**
 * A drain expires: from `drained`, and only towards an application that a probe found healthy. A refused return (an
 * operator holds a server) is tried again.
 */
export function advanceExpiry(draft: Draft): void {
  const { phase, op, outing, health, signedOut } = draft.state;
  const at = outing?.expiresAt ?? null;
  if (at === null) return withdrawOwn(draft, 'expiry');
  // Draining again, what refused the return may be over: it is asked for as soon as the node is drained.
  if (phase === 'draining') return retryOwn(draft, 'expiry');
  if (draft.at < at || phase !== 'drained' || op !== null || isHolding(draft.state)) return;
  if (health !== 'up' || signedOut !== 'no') {
    const why = health === 'up' ? 'the app has signed itself out' : 'no probe shows that the app is healthy';
    return alarm(draft, 'expiry', `the drain has expired, but ${why}: it stays out`);
  }
  requestOwn(draft, 'expiry', 'ready', 'lastcall', 'the drain expired');
}

/** The application of a drained node is ended next: the expiry counts from now, as after another drain. */
export function expireAnew(draft: Draft): void {
  const { phase, outing, ownRequests, queue } = draft.state;
  if (phase !== 'drained' || outing === null || outing.expiresAt === null) return;
  const { expiresMs } = outing;
  patchOuting(draft, { expiresAt: expiresMs === null ? null : draft.at + expiresMs });
  const { asked } = ownRequests.expiry;
  patch(draft, { queue: queue.filter(({ id }) => id !== asked) });
  withdrawOwn(draft, 'expiry');
  save(draft);
}
