import { answerable, onlyWarns, type Objection, type Surveyed, UNCOUNTED_WAYS } from '../model/objection.ts';
import { countsUsers, type Policy } from '../model/policy.ts';
import { type Candidate, NO_BINDINGS, type Operation, stopsApp } from '../model/operation.ts';
import type { Draft } from '../step-draft.ts';

/** What binds users to this node, and what it means for a request to take it out. */

/** Sticky users come back between two clicks: where no source counts them, no connection now proves nothing. */
export function uncounted(
  draft: Draft,
  candidate: Candidate,
  servers: readonly Surveyed[],
): Objection | null {
  const why = isAnswered(draft, candidate) ? null : whySticky(draft, servers);
  if (why === null) return null;
  const what = `users are sticky here (${why}) and no source counts them`;
  if (candidate.request.kind === 'drain')
    return { code: 'uncounted', message: `${what}: drained means no connections, not no users`, soft: true };
  return answerable(candidate, 'uncounted', what, UNCOUNTED_WAYS);
}

/**
 * A source counts users, the operator has declared quiet to be enough, or no application runs that could have
 * users.
 */
function isAnswered({ policy, state }: Draft, { gone }: Candidate): boolean {
  return !isUncounted(policy) || state.app.gone || gone;
}

function isUncounted(policy: Policy): boolean {
  return !countsUsers(policy) && !policy.quietExplicit && policy.sticky !== false;
}

/** Users bound by a hash do not come back after a DRAIN: a source would count them for ever (`unkeepable`). */
function whySticky({ policy, state }: Draft, servers: readonly Surveyed[]): string | null {
  const facts = servers.flatMap(({ fact }) => (fact === undefined || fact.hashed !== null ? [] : [fact]));
  if (servers.length > 0 && facts.length === 0) return null;
  if (policy.sticky === true) return 'sticky: true';
  return facts.find(({ sticky }) => sticky !== null)?.sticky ?? state.outing?.sticky ?? null;
}

/** The stick tables that are not counted as stickiness, where that decides. */
export function foreignTables(draft: Draft, candidate: Candidate): string[] {
  if (isAnswered(draft, candidate) || draft.policy.sticky === true) return [];
  return Object.entries(candidate.surveys).flatMap(([balancer, { foreignTables: tables }]) =>
    tables.map(
      (table) =>
        `${balancer}: the stick table ${table} binds users to servers, but has no entry of this node and no name of its backends: it is not counted as stickiness here`,
    ),
  );
}

/** A hash that alone binds users keeps none of them: the DRAIN itself makes it anew, before anything could be counted. */
export function unkeepable(
  draft: Draft,
  candidate: Candidate,
  servers: readonly Surveyed[],
): Objection | null {
  const [first, ...more] = hashedIn(draft, candidate, servers);
  if (first === undefined) return null;
  const what =
    `${[first, ...more].join(', ')}: a hash alone binds users here, and a DRAIN makes it anew: users of this node are ` +
    "moved at once, and half of the others' too unless it is consistent; no source can count them out";
  return answerable(candidate, 'unkeepable', what, UNKEEPABLE_WAYS);
}

const UNKEEPABLE_WAYS =
  'bind them by a cookie or a stick table, set `sticky: false` (--not-sticky) where no session is lost by it';

/** Where a hash binds users who would be moved: a server that takes none is out of the hash already. */
function hashedIn(draft: Draft, { gone }: Candidate, servers: readonly Surveyed[]): string[] {
  if (draft.policy.sticky === false || draft.state.app.gone || gone) return [];
  return servers.flatMap(({ balancer, view, fact }) =>
    fact?.hashed != null && fact.usable ? [`${balancer}: ${view.name} (${fact.hashed})`] : [],
  );
}

/** What an operation keeps of it from its start: a line for its result, and whether the check is repeated. */
export function userBindings(
  draft: Draft,
  candidate: Candidate,
  servers: readonly Surveyed[],
): Pick<Operation, 'hashed' | 'recheck'> {
  const { kind, force } = candidate.request;
  if (!stopsApp(kind) && kind !== 'drain') return NO_BINDINGS;
  const hashed = hashedIn(draft, candidate, servers);
  const stops = kind !== 'drain' && draft.policy.sticky === 'auto' && !isAnswered(draft, candidate);
  const asks = stops && whySticky(draft, servers) === null;
  return {
    hashed: hashed.length === 0 ? null : hashed.join(', '),
    recheck: asks ? (force || onlyWarns(candidate.request, 'uncounted') ? 'warn' : 'refuse') : 'none',
  };
}
