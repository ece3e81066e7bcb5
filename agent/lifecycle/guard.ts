import type { Candidate } from './running.ts';
import { forcedOf, viewOf } from './count.ts';
import { outlasted } from './doubt.ts';
import { serversOf, type Turn } from './turn.ts';
import type { ServerSurvey, ServerView } from './view.ts';

/** The objections to an operation, asked before anything is changed. `force` answers some, none is silent. */

export interface Verdict {
  readonly refusal: { readonly code: string; readonly message: string } | null;
  readonly warnings: readonly string[];
}

interface Surveyed {
  readonly balancer: string;
  readonly view: ServerView;
  /** MAINT or DRAIN that is not ours. */
  readonly held: boolean;
  readonly fact: ServerSurvey | undefined;
}

/** First refusal wins; a request that insists (a shutdown) is only warned. */
export function objections(turn: Turn, candidate: Candidate): Verdict {
  const { request } = candidate;
  const servers = surveyed(turn, candidate);
  const warnings = Object.entries(candidate.unasked).map(
    ([name, error]) => `${name}: ${error}; it is waited for`,
  );
  if (request.kind !== 'ready' && servers.length === 0 && !needsCounting(turn, candidate))
    return { refusal: null, warnings };
  for (const objection of objectionsTo(turn, candidate, servers)) {
    if (!objection) continue;
    if (objection.soft || request.insist) warnings.push(objection.message);
    else return { refusal: objection, warnings };
  }
  return { refusal: null, warnings };
}

function objectionsTo(turn: Turn, candidate: Candidate, servers: readonly Surveyed[]): (Objection | null)[] {
  const { kind } = candidate.request;
  if (kind === 'release') return [];
  if (kind === 'ready')
    return [heldAgainstReady(turn, candidate, servers.length > 0 ? servers : lastSeen(turn))];
  const goingOut = [heldInDrain(candidate, servers), capacity(turn, candidate, servers)];
  if (kind === 'hold') return goingOut;
  const { policy, state } = turn;
  const doubted = outlasted(policy, state, candidate.request, candidate.gone);
  return [...goingOut, doubted, uncounted(turn, candidate, servers)];
}

interface Objection {
  readonly code: string;
  readonly message: string;
  /** Said as a warning only. */
  readonly soft?: boolean;
}

function surveyed({ state }: Turn, { surveys }: Candidate): Surveyed[] {
  return Object.entries(surveys).flatMap(([balancer, { servers, facts }]) =>
    servers.map((view) => {
      const own = state.balancers[balancer]?.servers[view.name];
      const held = own?.found ? own.held : view.admin !== 'ready';
      return { balancer, view, held, fact: facts.find(({ name }) => name === view.name) };
    }),
  );
}

/** A node that is out is not surveyed again: its servers as they were last seen. */
function lastSeen({ state }: Turn): Surveyed[] {
  return serversOf(state).flatMap(({ balancer, at, name, server }) => {
    const view = viewOf(balancer, name);
    return view && server.found ? [{ balancer: at, view, held: server.held, fact: undefined }] : [];
  });
}

function heldInDrain({ request }: Candidate, servers: readonly Surveyed[]): Objection | null {
  // Also under a MAINT that lies over it and ends by itself.
  const held = servers.find(
    ({ view, held: isHeld }) => isHeld && (view.admin === 'drain' || forcedOf(view) === 'drain'),
  );
  if (!held) return maintAround(request.force, servers);
  const who = `${held.balancer}: ${held.view.name} is already in DRAIN and not by lastcall`;
  if (request.force) return { code: 'held', message: `${who}; taken over`, soft: true };
  return { code: 'held', message: `${who}; let its owner end it, or use --force --reason` };
}

/** Held in MAINT nobody new comes, and those who are there are counted: go on around it. */
function maintAround(force: boolean, servers: readonly Surveyed[]): Objection | null {
  const held = servers
    .filter(({ view, held: isHeld }) => isHeld && view.admin === 'maint')
    .map(({ balancer, view }) => `${balancer}: ${view.name}`);
  if (held.length === 0) return null;
  const what = force ? 'taken over' : 'left as it is and counted';
  return { code: 'held', message: `${held.join(', ')} is in MAINT and not by lastcall; ${what}`, soft: true };
}

function heldAgainstReady(
  { policy }: Turn,
  { request }: Candidate,
  servers: readonly Surveyed[],
): Objection | null {
  const held = servers.filter(({ held: isHeld }) => isHeld);
  if (held.length === 0 || policy.operatorReady) return null;
  const names = held
    .map(({ balancer, view }) => `${balancer}: ${view.name} (${view.admin.toUpperCase()})`)
    .join(', ');
  if (request.force) return { code: 'held', message: `${names} taken over`, soft: true };
  const message = `${names} is held and not by lastcall; let its owner end it, or use --force --reason`;
  return { code: 'held', message, soft: held.length < servers.length };
}

/**
 * The last usable server is never taken (I11); a count that nobody knows is no permission. A balancer that only polls
 * us tells nothing about other servers: the contract promises no guard there.
 */
function capacity({ policy }: Turn, { request }: Candidate, servers: readonly Surveyed[]): Objection | null {
  if (policy.keep === 0) return null;
  const counting = policy.balancers.filter(({ counts }) => counts).map(({ name }) => name);
  const short = servers.find(
    ({ balancer, fact }) =>
      counting.includes(balancer) &&
      fact?.usable &&
      (fact.usableOthers === null || fact.usableOthers < policy.keep),
  );
  if (!short) return null;
  const others = short.fact?.usableOthers ?? 'an unknown number of';
  const message = `${short.balancer}: ${short.view.name} would leave ${others} other usable servers, and drain.keep is ${policy.keep}`;
  if (request.force) return { code: 'guard', message: `${message}; forced`, soft: true };
  return { code: 'guard', message: `${message}; bring another back first, or use --force --reason` };
}

/** Sticky users come back between two clicks: where nobody counts them, no connection now proves nothing. */
function uncounted(
  { policy, state }: Turn,
  { request, gone }: Candidate,
  servers: readonly Surveyed[],
): Objection | null {
  if (policy.sources.length > 0 || policy.quietByHand || state.appGone || gone) return null;
  const why =
    policy.sticky === true
      ? 'sticky: true'
      : policy.sticky === false
        ? null
        : (stickyIn(servers) ?? state.sticky);
  if (why === null) return null;
  const message = `users are sticky here (${why}) and nobody counts them`;
  if (request.kind === 'drain')
    return {
      code: 'uncounted',
      message: `${message}: drained means no connections, not no users`,
      soft: true,
    };
  const ways =
    'configure a session source (sessions:, --sessions), say `sticky: false` (--not-sticky), or set how long silence means gone (drain.quiet, --quiet-for)';
  return { code: 'uncounted', message: `${message}; ${ways}` };
}

function stickyIn(servers: readonly Surveyed[]): string | null {
  return servers.find(({ fact }) => fact?.sticky)?.fact?.sticky ?? null;
}

/** A node that is out already was surveyed when it went; a stop asks only once more who counts. */
function needsCounting({ state }: Turn, { request }: Candidate): boolean {
  return (
    (request.kind === 'stop' || request.kind === 'restart') && !state.appGone && state.phase !== 'stopping'
  );
}
