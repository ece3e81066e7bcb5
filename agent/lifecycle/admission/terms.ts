import { endsNext, onlyWarns } from '../model/objection.ts';
import { overGuard } from '../phases/capacity.ts';
import { goOnWithoutSlot } from '../phases/slot.ts';
import { viewOf } from '../observed/counts.ts';
import { noStop } from '../phases/fence.ts';
import { endHold } from '../phases/hold.ts';
import type { Request, Terms } from '../model/api.ts';
import { isOutward } from '../model/phase.ts';
import type { Policy } from '../model/policy.ts';
import type { Operation } from '../model/operation.ts';
import { takenOver } from '../model/server-state.ts';
import { setIntent, mapServers, patch, patchOuting, type Draft } from '../step-draft.ts';

/** What a caller who joins asks for beyond the running operation: it holds from then on. */

/** The terms that the request changes: those it gives explicitly (not null). */
export function termsOf({ policy, state }: Draft, op: Operation, request: Request): Terms {
  const { kind, onTimeout, expiresMs, force, fence, noRefuse = false } = request;
  const { fenced = true } = state.outing ?? {};
  const timeoutMs = timeoutOf(policy, request);
  return {
    ...(kind === 'drain' && fence && !fenced && { fence: true }),
    ...(timeoutMs !== null && { timeout: timeoutMs / 1_000 }),
    ...(onTimeout !== null && onTimeout !== op.onTimeout && { onTimeout }),
    ...(expiresMs !== null && expiresMs !== op.expiresMs && { expires: expiresMs / 1_000 }),
    ...(force && { force }),
    ...(noRefuse && { noRefuse }),
  };
}

/** Given by hand; and a caller that ends the application next has a deadline of its own in what it joins, too. */
function timeoutOf(policy: Policy, request: Request): number | null {
  return request.timeoutMs ?? (endsNext(request) ? policy.timeoutMs : null);
}

/** Makes them those of the operation and of its outing; the caller sends them to disk. */
export function applyTerms(draft: Draft, op: Operation, request: Request, terms: Terms): void {
  const { onTimeout, expiresMs } = request;
  const timeoutMs = timeoutOf(draft.policy, request);
  const deadline = timeoutMs === null ? {} : { timeoutMs, deadline: draft.at + timeoutMs };
  patch(draft, {
    op: { ...op, ...deadline, onTimeout: onTimeout ?? op.onTimeout, expiresMs: expiresMs ?? op.expiresMs },
  });
  if (terms.fence) patchOuting(draft, { fenced: true });
  if (terms.force) applyForce(draft, request);
  else if (terms.noRefuse) downgradeToWarnings(draft, request);
}

/** `--force` of a caller who joins does what it does at the start: it overrides the guard, a hold, and foreign states. */
export function applyForce(draft: Draft, request: Request): void {
  downgradeToWarnings(draft, request);
  if (draft.state.hold) patch(draft, endHold(draft, `${request.kind} by ${request.by} goes over it`));
  takeOverHeld(draft);
}

/** From now on the guard, and users who are bound by now, only warn instead of ending the operation. */
export function downgradeToWarnings(draft: Draft, request: Request): void {
  patchOuting(draft, overGuard(draft.state.outing, request));
  if (onlyWarns(request, 'locked')) goOnWithoutSlot(draft);
  const { op } = draft.state;
  if (op?.recheck === 'refuse') patch(draft, { op: { ...op, recheck: 'warn' } });
}

/**
 * A foreign state becomes ours, and is the one restored at the end. Behind it users were not kept out by us, so a
 * fence goes back to DRAIN first.
 * @returns how many servers it took over
 */
export function takeOverHeld(draft: Draft): number {
  const { phase, outing, app, balancers } = draft.state;
  const isOut = isOutward(phase);
  let taken = 0;
  mapServers(draft, (own, name, balancerName) => {
    const balancer = balancers[balancerName];
    // The way back gives no weight, so there is nothing to take over.
    const isWeightless = !isOut && balancer !== undefined && viewOf(balancer, name)?.weightless === true;
    if (own.found === null || own.foreign === null || isWeightless) return own;
    taken += 1;
    return takenOver(own);
  });
  if (taken > 0 && isOut && outing?.level === 'maint' && outing.force === null && !app.gone)
    setIntent(draft, 'draining', { ...noStop(draft), outing: { level: 'drain', fence: null } });
  return taken;
}
