import { abort } from './return.ts';
import { UNCOUNTED_WAYS } from '../model/objection.ts';
import { isIgnored } from '../observed/counts.ts';
import { stopsApp } from '../model/operation.ts';
import { RETRY_LONGEST_MS } from '../model/policy.ts';
import { emit, type EventOf, patch, patchOuting, type Draft, warn } from '../step-draft.ts';
import { askSurvey, isWithoutOperation, markReloadReported, strayed } from '../observed/surroundings.ts';
import { foundAgain, kinshipText, unlistedSince } from '../observed/unlisted-servers.ts';
import type { Relative } from '../model/survey.ts';

/**
 * What is asked before an operation is asked again in it, after a reload, before the fence and before the stop: who else
 * is this application (a controller gives servers other addresses without a reload), and whether a stick table binds
 * users by now. No poll shows either.
 */

/**
 * Asks every balancer again, once.
 * @param since when this silence began, or the fence was seen
 * @returns true once that is answered, or where it need not be asked
 */
export function isRechecked(draft: Draft, since: number): boolean {
  const { policy, state } = draft;
  const { op } = state;
  const recheck = state.outing?.recheck ?? null;
  if (op === null || state.app.gone) return true;
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
  const scope = draft.state.op?.recheck === 'none' ? 'relatives' : 'reload';
  for (const balancer of left) askSurvey(draft, id, balancer, scope);
}

/**
 * An answer to such a question of a running operation.
 * @param known other servers of this application that were known at this balancer before it
 */
export function onSurveyedAgain(
  draft: Draft,
  { id, balancer, survey, startedAt }: EventOf<'surveyed'>,
  known: readonly Relative[],
): void {
  const { op } = draft.state;
  if (isWithoutOperation(draft, id)) {
    const found = foundAgain(draft.policy.ignoreServers, survey);
    for (const text of unlistedSince(AFTER_RELOAD, balancer, found))
      emit(draft, { type: 'log', level: 'warn', text });
    return markReloadReported(draft, balancer, survey.worker);
  }
  if (op?.id !== id || draft.state.outing === null) return;
  const isReload = draft.state.balancers[balancer]?.reloaded?.asked === id;
  const found = foundAgain(op.ignoreServers, survey);
  // What a drain was admitted with has been warned of then, unless it was shut.
  const news = found.filter((one) => known.every(({ name, isShut }) => name !== one.name || isShut === true));
  for (const text of unlistedSince(
    isReload ? AFTER_RELOAD : 'since it began',
    balancer,
    isReload ? found : news,
  ))
    warn(draft, `unlisted ${balancer}`, text);
  onMoved(draft, balancer, stopsApp(op.kind) ? found : news, strayed(draft, balancer, survey));
  markReloadReported(draft, balancer, survey.worker);
  const recheck = draft.state.outing?.recheck ?? null;
  if (recheck === null || startedAt < recheck.since || !recheck.left.includes(balancer)) return;
  patchOuting(draft, { recheck: { ...recheck, left: recheck.left.filter((name) => name !== balancer) } });
  const bound = survey.facts.find(({ sticky }) => sticky !== null);
  if (bound)
    onBound(draft, `${balancer}: ${bound.name}: users are sticky here by now (${bound.sticky ?? ''})`);
}

const AFTER_RELOAD = 'after a reload';

/**
 * HAProxy sends users to the application by another server, to which neither DRAIN nor MAINT of ours applies: a reload
 * has renamed ours, a controller has moved its address there, or has given that address to another one. A drain that
 * leaves the application alive only warns of the last.
 * @param away servers of ours that lead here no more
 */
function onMoved(
  draft: Draft,
  balancer: string,
  found: readonly Relative[],
  away: ReadonlySet<string>,
): void {
  const { op, outing } = draft.state;
  if (op === null || op.outcome !== null || op.kind === 'hold' || outing?.capacity.isOver === true) return;
  const moved = found.find(({ of, usable }) => usable && away.has(of));
  const first = moved ?? (stopsApp(op.kind) ? found.find(({ by }) => by === 'address') : undefined);
  if (first === undefined) return;
  const absent = draft.state.balancers[balancer]?.look?.servers.find(({ name }) => name === first.of)?.absent;
  const what = `${balancer}: ${kinshipText(first)}`;
  const why =
    absent !== undefined
      ? ', which HAProxy has no more: users are sent there'
      : moved === undefined
        ? ' by now, and it is this application too'
        : ', which leads elsewhere by now: users are sent there';
  abort(
    draft,
    'unlisted',
    `${what}${why}; what was found is restored; write the name that it has now to \`servers\``,
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
