import type { Code } from '../../system/error.ts';
import { restoreFound } from './return.ts';
import { isHolding } from '../model/desired.ts';
import { occupancy } from '../observed/counts.ts';
import { endsNext } from '../model/objection.ts';
import { unfenced } from './fence.ts';
import type { Request } from '../model/api.ts';
import { NEW_OUTING } from '../model/outing.ts';
import { isInRotation, isOutward } from '../model/phase.ts';
import { answer, answerAtOnce, refuse } from '../report/result.ts';
import { allInSync } from '../sync/reconcile.ts';
import type { State } from '../model/state.ts';
import type { Hold, HoldAsker } from '../model/recorded-parts.ts';
import { emit, setIntent, isDurable, patch, save, type Draft } from '../step-draft.ts';

/**
 * Hold: an operator's own wish, a level that outranks every operation. It has no deadline and no expiry, and neither the
 * schedule nor the application's sign-out ends it: only `release` does, and a `--force` that is installed. It outlives
 * crashes and reloads like every other intent.
 */

/** The wish goes to disk; a node that is out already goes no nearer to its users. */
export function installHold(draft: Draft, request: Request, warnings: readonly string[]): void {
  const { phase, hold: before } = draft.state;
  const { id, by, reason, holdIn } = request;
  const deadline = draft.at + (request.timeoutMs ?? draft.policy.timeoutMs);
  const asker: HoldAsker = { id, reason, startedAt: draft.at, deadline, warnings };
  const over = before?.over ?? (isInRotation(phase) ? 'rotation' : 'out');
  const hold: Hold = {
    admin: holdIn ?? 'drain',
    by,
    reason,
    over,
    askers: [...(before?.askers ?? []), asker],
  };
  if (!isInRotation(phase)) setIntent(draft, phase, { hold });
  else {
    patch(draft, { outing: { ...NEW_OUTING, fenced: false, lasting: true } });
    setIntent(draft, 'draining', { hold });
  }
}

const BY_SHUTDOWN =
  'a shutdown came before every balancer was set; the hold is kept, and keeps the node out when it is back: `lastcall release` ends it';

/** It is held as soon as every balancer shows it so; the requests that wait for that are answered then. */
export function advanceHold(draft: Draft): void {
  const { policy, state } = draft;
  if (state.hold === null || state.hold.askers.length === 0 || !isDurable(state)) return;
  if (!isHolding(state)) return endAskers(draft, () => true, 'failed', `${policy.node}: ${BY_SHUTDOWN}`);
  if (allInSync(policy, state)) return endAskers(draft, () => true, 'done');
  const late = ({ deadline }: HoldAsker): boolean => draft.at >= deadline;
  endAskers(draft, late, 'deadline', 'not every balancer confirmed DRAIN; retrying in the background');
}

/** Cancelling the request that made it ends the hold; what was found is put back. @returns false when it is no hold's */
export function cancelHold(draft: Draft, id: string, by: string): boolean {
  const { hold, phase } = draft.state;
  if (!hold?.askers.some((asker) => asker.id === id)) return false;
  const ended = endHold(draft, `cancelled by ${by}; what was found is restored`);
  if (hold.over === 'out' || !isOutward(phase)) setIntent(draft, phase, ended);
  else restoreFound(draft, ended);
  return true;
}

/** The end of a hold: what goes beside an intent that ends it. */
export function endHold(draft: Draft, why: string): Pick<State, 'hold'> {
  endAskers(draft, () => true, 'cancelled', why);
  return { hold: null };
}

function endAskers(draft: Draft, whose: (asker: HoldAsker) => boolean, code: Code, message?: string): void {
  const { hold } = draft.state;
  const ended = hold?.askers.filter(whose) ?? [];
  if (hold === null || ended.length === 0) return;
  for (const { id, reason, startedAt, warnings } of ended) {
    const result = answer(draft, { id, reason, kind: 'hold' }, startedAt, code, warnings);
    emit(draft, {
      type: 'finish',
      refused: false,
      result: message === undefined ? result : { ...result, message },
    });
  }
  patch(draft, { hold: { ...hold, askers: hold.askers.filter((asker) => !ended.includes(asker)) } });
  save(draft);
}

/** When a request that waits for a hold gives up, in monotonic milliseconds. */
export function nextAskers({ hold }: State): number[] {
  return (hold?.askers ?? []).map(({ deadline }) => deadline);
}

/** Other requests are refused while it holds; those that are forced are checked, and end it once they are installed. */
export function refusedByHold(draft: Draft, request: Request): boolean {
  const { hold } = draft.state;
  const { kind, isShutdown, force } = request;
  if (!hold || kind === 'hold' || kind === 'release' || isShutdown || force) return false;
  if (endsNext(request) && isEmptyUnder(draft, hold, request)) {
    answerAtOnce(draft, request, draft.at, [emptyUnder(hold)]);
    return true;
  }
  const why = hold.reason === null ? '' : ` (${hold.reason})`;
  const text = `${draft.policy.node}: held in ${hold.admin.toUpperCase()} by ${hold.by}${why}; \`lastcall release\`, or use --force --reason`;
  refuse(draft, request, draft.at, 'held', text);
  return true;
}

/** True where a drain could reach nothing more, so its caller need not wait for the release. Unknown users are not zero. */
function isEmptyUnder({ policy, state }: Draft, hold: Hold, { kind, expiresMs }: Request): boolean {
  if (kind !== 'drain' || expiresMs !== null || hold.admin !== 'maint') return false;
  const isSet = isHolding(state) && isDurable(state) && allInSync(policy, state);
  return (
    isSet && unfenced(policy, state) === null && occupancy(policy, state, state.epochStartedAt) === 'zero'
  );
}

function emptyUnder({ by }: Hold): string {
  return `held in MAINT by ${by}, and no user is counted: answered as drained, and the hold is kept`;
}

/** There is nothing to release: done at once. */
export function releaseAtOnce(draft: Draft, request: Request): boolean {
  if (request.kind !== 'release' || draft.state.hold !== null) return false;
  answerAtOnce(draft, request, draft.at, []);
  return true;
}
