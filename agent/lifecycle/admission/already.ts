import { isHolding } from '../model/desired.ts';
import { isOpen, unfenced, unfencedLines } from '../phases/fence.ts';
import { expireAnew } from '../phases/expiry.ts';
import type { Request } from '../model/api.ts';
import { neverExpires } from './join.ts';
import { endsNext } from '../model/objection.ts';
import { type Operation, stopsApp } from '../model/operation.ts';
import { PHASES } from '../model/phase.ts';
import { UNPROVEN_END } from '../observed/unproven-end.ts';
import { answerAtOnce } from '../report/result.ts';
import type { Draft } from '../step-draft.ts';

/** Requests for what is so already. */

/**
 * The result has the warnings of the operation that brought this state about. A request that cannot be refused is a drain of
 * its own in one way: an expiry counts from it.
 */
export function answerAlready(draft: Draft, request: Request, since: number): void {
  if (endsNext(request)) expireAnew(draft);
  answerAtOnce(draft, request, since, warningsNow(draft, request));
}

/** The running operation has done this part of it and goes on, as the stop of a reboot that waits for the boot. */
export function answerPassed(draft: Draft, request: Request, op: Operation): void {
  const never = request.expiresMs === null ? [] : [neverExpires(op)];
  const unproven = draft.state.app.unprovenEnd === null ? [] : [UNPROVEN_END];
  answerAtOnce(draft, request, draft.at, [...never, ...unproven]);
}

function warningsNow({ policy, state }: Draft, { expiresMs }: Request): string[] {
  const never = expiresMs !== null && state.phase === 'stopped' ? [NEVER_EXPIRES] : [];
  if (state.app.unprovenEnd !== null) return [...never, UNPROVEN_END];
  const isFenced = state.app.gone || state.outing?.fenced === false;
  return isFenced ? never : [...never, ...unfencedLines({ policy, state })];
}

const NEVER_EXPIRES =
  'the node is stopped, so the drain does not expire: `lastcall ready` starts the application and brings the node back';

/** Idempotent: true where the node is as requested already, and nothing that is seen contradicts it. */
export function isAlready({ state, policy }: Draft, request: Request): boolean {
  const { phase, app, outing } = state;
  if (request.dryRun || isHolding(state)) return false;
  if (request.kind === 'drain') {
    const isFenced = outing?.level === 'maint' && unfenced(policy, state) === null;
    const isDrained = outing?.fenced === false && !isOpen(policy, state) && !request.fence;
    // An expiry that is asked for holds from now on.
    const isAsAsked = request.expiresMs === null && (isFenced || isDrained);
    return (phase === 'stopped' && isFenced) || (phase === 'drained' && isAsAsked);
  }
  if (request.kind === 'stop')
    return app.gone && (phase === 'stopped' || (phase === 'drained' && !policy.canStop));
  return false;
}

/**
 * The application is believed gone, but an operator may have started it since: looks for it once before it is
 * stopped, or started a second time.
 */
export function mayRunAgain({ policy, state: { app, phase } }: Draft, { kind }: Request): boolean {
  const stops = stopsApp(kind);
  const isProven = app.gone && app.unprovenEnd === null;
  return stops && isProven && policy.canStop && !policy.supervises && !PHASES[phase].ending;
}
