import {
  answerable,
  onlyWarns,
  listed,
  UNKNOWN_USERS,
  type Objection,
  type Surveyed,
} from '../model/objection.ts';
import type { Request } from '../model/api.ts';
import { isInRotation } from '../model/phase.ts';
import { type Candidate, type Reading, stopsApp } from '../model/operation.ts';
import type { State } from '../model/state.ts';
import type { SourceState } from '../model/server-state.ts';
import { emit, patch, type Draft } from '../step-draft.ts';

/**
 * Before the first DRAIN every source is asked once, for one that cannot be read would be waited for until the deadline
 * (INVARIANTS.md#other-promises). A source has three tries within five seconds; one that only takes longer is believed by what
 * it counted last.
 */

const TRIES = 3;
const PATIENCE_MS = 5_000;
const RETRY_MS = 500;

/**
 * Reads the sources where their answer can refuse the request, or for a dry run.
 * @returns the needs of the candidate, and the known counts of sources that are not asked
 */
export function beginReading(draft: Draft, request: Request): Pick<Candidate, 'reading' | 'unread'> {
  const { policy, state } = draft;
  const isOut = request.kind === 'drain' || stopsApp(request.kind);
  if (!isOut || !isInRotation(state.phase) || state.op !== null || state.app.gone)
    return { reading: {}, unread: {} };
  // A request that cannot be refused waits for no source either: new users have to be kept away now.
  if (!request.dryRun && (request.force || onlyWarns(request, 'uncounted')))
    return { reading: {}, unread: errorsOf(state, policy.sources) };
  for (const source of policy.sources) emit(draft, { type: 'count', source });
  const reading = policy.sources.map((name) => [name, { tries: 0, retryAt: null }] as const);
  return { reading: Object.fromEntries(reading), unread: {} };
}

function errorsOf({ sources }: State, names: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(
    names.flatMap((name) => {
      const error = sources[name]?.error ?? null;
      return error === null ? [] : [[name, error] as const];
    }),
  );
}

/** A source has counted, or (`error`) could not. */
export function onRead(
  draft: Draft,
  name: string,
  { error, startedAt }: Pick<SourceState, 'error' | 'startedAt'>,
): void {
  const { candidate } = draft.state;
  const one = candidate?.reading[name];
  if (!candidate || one === undefined) return;
  // A poll from before the request asked for it: it is no count of the request's beginning.
  if (startedAt < candidate.at) return;
  if (error === null) return patch(draft, { candidate: without(candidate, name) });
  const tries = one.tries + 1;
  const next: Reading = { tries, retryAt: draft.at + RETRY_MS };
  if (tries < TRIES)
    return patch(draft, { candidate: { ...candidate, reading: { ...candidate.reading, [name]: next } } });
  const unread = { ...candidate.unread, [name]: error };
  patch(draft, { candidate: { ...without(candidate, name), unread } });
}

/** Asks again what failed, and waits for no source longer than its patience. */
export function advanceReading(draft: Draft): void {
  const { candidate, sources } = draft.state;
  for (const [name, { tries, retryAt }] of Object.entries(candidate?.reading ?? {})) {
    const now = draft.state.candidate;
    if (now === null) return;
    if (draft.at >= now.at + PATIENCE_MS) {
      const { error = null, count = null } = sources[name] ?? {};
      const why = error ?? (count === null ? `it has not answered within ${PATIENCE_MS / 1_000} s` : null);
      const unread = why === null ? now.unread : { ...now.unread, [name]: why };
      patch(draft, { candidate: { ...without(now, name), unread } });
    } else if (retryAt !== null && draft.at >= retryAt) {
      emit(draft, { type: 'count', source: name });
      const reading = { ...now.reading, [name]: { tries, retryAt: null } };
      patch(draft, { candidate: { ...now, reading } });
    }
  }
}

/** When something of it falls due, in monotonic milliseconds. */
export function nextReading({ candidate }: State): number[] {
  if (candidate === null || isRead(candidate)) return [];
  const retries = Object.values(candidate.reading).map(({ retryAt }) => retryAt);
  return [candidate.at + PATIENCE_MS, ...retries.filter((at) => at !== null)];
}

/** Every source has answered, or is not waited for any more. */
export function isRead({ reading }: Candidate): boolean {
  return Object.keys(reading).length === 0;
}

/** A source that cannot be read: its users are unknown, and unknown is never zero. */
export function unread(
  { state }: Draft,
  candidate: Candidate,
  servers: readonly Surveyed[],
): Objection | null {
  const sources = Object.entries(candidate.unread).map(([name, error]) => `${name}: ${error}`);
  if (sources.length === 0) return null;
  const what = `${listed(sources)}: ${UNKNOWN_USERS}`;
  if (candidate.gone || state.app.gone || !isHealthyAnyhow(state, servers))
    return {
      code: 'uncounted',
      message: `${what}; the operation waits for it, unless the application ends`,
      soft: true,
    };
  if (candidate.request.kind === 'drain')
    return { code: 'uncounted', message: `${what}; the operation waits for it`, soft: true };
  return answerable(candidate, 'uncounted', what, 'mend it, or leave it out (sessions:, --sessions)');
}

/**
 * By its probe, or by HAProxy's check. A hung application is the commonest reason for a restart, and its source
 * does not answer either. Without both, it counts as healthy as long as HAProxy sends it users.
 */
function isHealthyAnyhow({ health }: State, servers: readonly Surveyed[]): boolean {
  if (health === 'up' || servers.some(({ view }) => view.check !== undefined)) return true;
  return health === 'unknown' && servers.some(({ view }) => view.operational === 'up');
}

function without(candidate: Candidate, name: string): Candidate {
  const { [name]: _read, ...reading } = candidate.reading;
  return { ...candidate, reading };
}
