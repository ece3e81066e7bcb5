import { abort } from './return.ts';
import { UNCOUNTED_WAYS } from '../model/objection.ts';
import { isIgnored } from '../observed/counts.ts';
import { RETRY_LONGEST_MS } from '../model/policy.ts';
import { emit, type EventOf, patch, patchOuting, type Draft, warn } from '../step-draft.ts';
import { askSurvey, isWithoutOperation, markReloadReported } from '../observed/surroundings.ts';
import { replacedIn, unlistedAfterReload } from '../observed/unlisted-servers.ts';
import type { Relative } from '../model/survey.ts';

/**
 * What is asked before an operation is asked again in it: after a reload, who else is this application; before the
 * fence of a stop, whether a stick table binds users by now.
 */

/**
 * Before the fence of a stop: asks every balancer whether a stick table binds users of this node by now.
 * @param since when this silence began: a table is asked about once in each
 * @returns true once that is answered, or where it need not be asked
 */
export function isRechecked(draft: Draft, since: number): boolean {
  const { policy, state } = draft;
  const { op } = state;
  const recheck = state.outing?.recheck ?? null;
  if (op === null || op.recheck === 'none' || state.app.gone) return true;
  if (recheck?.since !== since) {
    const asked = policy.balancers.filter(
      ({ name, counts }) => counts && !isIgnored(policy, state, state.balancers[name]),
    );
    askAgain(
      draft,
      op.id,
      since,
      asked.map(({ name }) => name),
    );
    return asked.length === 0;
  }
  if (recheck.left.length === 0) return true;
  if (recheck.retryAt !== null && draft.at >= recheck.retryAt) askAgain(draft, op.id, since, recheck.left);
  return false;
}

function askAgain(draft: Draft, id: string, since: number, left: readonly string[]): void {
  patchOuting(draft, { recheck: { since, left, retryAt: null } });
  for (const balancer of left) askSurvey(draft, id, balancer, 'stickiness');
}

/**
 * An answer to either question of a running operation.
 * @param known other servers of this application that were known at this balancer before it
 */
export function onSurveyedAgain(
  draft: Draft,
  { id, balancer, survey }: EventOf<'surveyed'>,
  known: readonly Relative[],
): void {
  const { op } = draft.state;
  const recheck = draft.state.outing?.recheck ?? null;
  if (isWithoutOperation(draft, id)) {
    for (const text of unlistedAfterReload(draft.policy.ignoreServers, balancer, survey))
      emit(draft, { type: 'log', level: 'warn', text });
    return markReloadReported(draft, balancer);
  }
  if (op?.id !== id) return;
  for (const text of unlistedAfterReload(op.ignoreServers, balancer, survey))
    warn(draft, `unlisted ${balancer}`, text);
  const replaced = replacedIn(op.ignoreServers, survey);
  // A drain has warned of a server that had the address of ours before it, and such a server only warns.
  const isNews = ({ name }: Relative): boolean => known.every((one) => one.name !== name);
  onReplaced(draft, balancer, op.kind === 'drain' ? replaced.filter(isNews) : replaced);
  if (survey.relatives !== null || recheck?.left.includes(balancer) !== true)
    markReloadReported(draft, balancer);
  if (survey.relatives !== null || recheck === null) return;
  patchOuting(draft, { recheck: { ...recheck, left: recheck.left.filter((name) => name !== balancer) } });
  const bound = survey.facts.find(({ sticky }) => sticky !== null);
  if (bound)
    onBound(draft, `${balancer}: ${bound.name}: users are sticky here by now (${bound.sticky ?? ''})`);
}

/**
 * A reload renamed our server: HAProxy sends users to the application under the new name, and neither DRAIN nor
 * MAINT applies to that server.
 */
function onReplaced(draft: Draft, balancer: string, [first]: readonly Relative[]): void {
  const { op, outing } = draft.state;
  if (first === undefined || op === null || op.outcome !== null || outing?.capacity.isOver === true) return;
  if (op.kind === 'hold') return;
  const what = `${balancer}: ${first.name} has the address of ${first.of}, which HAProxy has no more: users are sent there`;
  abort(
    draft,
    'unlisted',
    `${what}; what was found is restored; write the name that it has now to \`servers\``,
  );
}

/** The stop had been admitted because nothing bound users; by now zero connections do not prove zero users. */
function onBound(draft: Draft, what: string): void {
  const { op } = draft.state;
  if (op === null || op.outcome !== null || op.recheck === 'none') return;
  const text = `${what} and no source counts them`;
  if (op.recheck === 'refuse')
    return abort(
      draft,
      'uncounted',
      `${text}; what was found is restored; ${UNCOUNTED_WAYS}, or use --force --reason`,
    );
  warn(draft, 'bound by now', `${text}; forced`);
  if (draft.state.op) patch(draft, { op: { ...draft.state.op, recheck: 'none' } });
}

/** The balancer did not answer: a warning after a reload, asked again before a fence. */
export function onRefusedAgain(
  draft: Draft,
  { id, need, error }: Pick<EventOf<'check-failed'>, 'id' | 'need' | 'error'>,
): void {
  const { op } = draft.state;
  const recheck = draft.state.outing?.recheck ?? null;
  const balancer = need.slice('survey '.length);
  if (op?.id !== id || !need.startsWith('survey ')) return;
  if (recheck?.left.includes(balancer)) {
    patchOuting(draft, { recheck: { ...recheck, retryAt: draft.at + RETRY_LONGEST_MS } });
    return;
  }
  markReloadReported(draft, balancer);
  warn(
    draft,
    `not asked after a reload: ${balancer}`,
    `${balancer}: whether a reload brought servers of this application that are not listed: ${error}`,
  );
}
