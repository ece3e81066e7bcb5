import type { Code } from '../../system/error.ts';
import { foreignTables, uncounted, unkeepable } from './stickiness.ts';
import { byName } from '../model/named-error.ts';
import { forcedOf, viewOf } from '../observed/counts.ts';
import { outlasted } from '../observed/hidden-users.ts';
import { agentToo, coverText, weightlessText } from '../sync/ownership.ts';
import { howMany } from '../model/how-many.ts';
import { answerable, onlyWarns, listed, type Objection, type Surveyed } from '../model/objection.ts';
import type { Request } from '../model/api.ts';
import { type Candidate, stopsApp } from '../model/operation.ts';
import { unread } from './readable.ts';
import { serversOf, type Draft } from '../step-draft.ts';
import { hiddenAddresses, twinsOf, uncompared, unlisted } from '../observed/unlisted-servers.ts';
import type { ServerSurvey } from '../model/survey.ts';

/** The objections to an operation, asked before anything is changed. `force` answers some, none is silent. */

export interface CheckResult {
  readonly refusal: { readonly code: Code; readonly message: string } | null;
  /** With a refusal: the further objections that would have refused it. */
  readonly warnings: readonly string[];
  /** All of them, those that only warn too, each with its code. */
  readonly objections: readonly Objection[];
}

/** First refusal wins; a request that cannot be refused is only warned. */
export function runChecks(draft: Draft, candidate: Candidate): CheckResult {
  const { request } = candidate;
  const servers = surveyed(draft, candidate);
  const warnings = Object.entries(candidate.unasked).map(
    ([name, error]) => `${byName(name, error)}; the operation waits for it`,
  );
  if (request.kind !== 'ready' && servers.length === 0 && !needsCounting(draft, candidate))
    return { refusal: null, warnings, objections: [] };
  const found = objectionsTo(draft, candidate, servers).filter((objection) => objection !== null);
  const refusal = found.find(({ soft, code }) => soft !== true && !onlyWarns(request, code)) ?? null;
  warnings.push(...found.filter((objection) => objection !== refusal).map((one) => warningOf(request, one)));
  if (refusal === null) warnings.push(...remarks(draft, candidate));
  return { refusal, warnings, objections: found };
}

function warningOf(request: Request, { soft, code, message }: Objection): string {
  if (soft === true || !onlyWarns(request, code)) return message;
  return `${message}; this ${request.kind} cannot be refused and goes on`;
}

function objectionsTo(
  draft: Draft,
  candidate: Candidate,
  servers: readonly Surveyed[],
): (Objection | null)[] {
  const { kind } = candidate.request;
  if (kind === 'release') return [];
  if (kind === 'ready')
    return [heldAgainstReady(draft, candidate, servers.length > 0 ? servers : lastSeen(draft))];
  const goingOut = [
    heldInDrain(draft, candidate, servers),
    foreignMaint(candidate, servers),
    ...unlisted(draft, candidate),
    capacity(draft, candidate, servers),
  ];
  if (kind === 'hold') return goingOut;
  const { policy, state } = draft;
  const doubted = outlasted(policy, state, candidate.request, candidate.gone);
  return [
    ...goingOut,
    doubted,
    unkeepable(draft, candidate, servers),
    uncounted(draft, candidate, servers),
    unread(draft, candidate, servers),
  ];
}

/** Warnings of an operation that takes the node out: not refused, but an operator should read them. */
function remarks(draft: Draft, candidate: Candidate): string[] {
  const { kind, dryRun } = candidate.request;
  if (kind === 'ready' || kind === 'release') return [];
  const compared = [...hiddenAddresses(candidate), ...(dryRun ? uncompared(candidate) : [])];
  // A report instead of a file: `check` has no state file to write an answer to.
  const { readyTakesOver, reloadsKeepState } = draft.policy;
  if (dryRun && kind === 'stop' && readyTakesOver && !reloadsKeepState) compared.push(RELOAD_WINDOW);
  return kind === 'hold' ? compared : [...compared, ...foreignTables(draft, candidate)];
}

const RELOAD_WINDOW =
  'a reload of HAProxy in the milliseconds between the last look and the stop would let new users in, unless its reloads keep the state of servers (--state-file)';

/** The servers that were surveyed for a request, with what is known of each. */
export function surveyed({ state }: Draft, { surveys }: Candidate): Surveyed[] {
  return Object.entries(surveys).flatMap(([balancer, { servers, facts }]) =>
    servers.map((view) => {
      const own = state.balancers[balancer]?.servers[view.name];
      const held = own?.found ? own.foreign !== null : view.admin !== 'ready';
      return { balancer, view, held, fact: facts.find(({ name }) => name === view.name) };
    }),
  );
}

/** A node that is out is not surveyed again: its servers as they were last seen. */
function lastSeen({ state }: Draft): Surveyed[] {
  return serversOf(state).flatMap(({ balancer, balancerName, name, server }) => {
    const view = viewOf(balancer, name);
    return view && server.found
      ? [{ balancer: balancerName, view, held: server.foreign !== null, fact: undefined }]
      : [];
  });
}

function heldInDrain(
  { policy }: Draft,
  { request }: Candidate,
  servers: readonly Surveyed[],
): Objection | null {
  const held = servers.filter(isHeldInDrain);
  const [first] = held;
  if (!first) return null;
  const who = held.map((one) => {
    const how = isWeightless(one)
      ? weightlessText(one.view)
      : `is already in DRAIN and not by lastcall${agentToo(one.view)}`;
    return `${one.balancer}: ${one.view.name} ${how}`;
  });
  if (request.force) return { code: 'held', message: `${listed(who)}; taken over`, soft: true };
  if (policy.foreignDrain === 'follow')
    return { code: 'held', message: `${listed(who)}; ${FOLLOWED}`, soft: true };
  return { code: 'held', message: `${who[0]}; let its owner end it, or use --force --reason` };
}

const FOLLOWED = 'followed: it is left as it is, counted, and not fenced';

/** Also under a MAINT that lies over it and ends by itself. */
function isHeldInDrain({ view, held }: Surveyed): boolean {
  return held && (view.admin === 'drain' || forcedOf(view) === 'drain');
}

function isWeightless({ view }: Surveyed): boolean {
  return view.weightless === true;
}

/** A foreign MAINT admits no new users; existing connections are counted, so it does not block the drain. */
function foreignMaint({ request }: Candidate, servers: readonly Surveyed[]): Objection | null {
  const held = servers.filter((one) => one.held && one.view.admin === 'maint' && !isHeldInDrain(one));
  if (held.length === 0) return null;
  const by = (why: (one: Surveyed) => string | null): string[] => {
    const named = held.flatMap((one) => why(one) ?? []);
    return named.length === 0 ? [] : [listed(named)];
  };
  const what = request.force ? 'taken over' : 'left as it is and counted';
  const covered = by((one) => (isCovered(one) ? `${nameOf(one)} ${coverOf(one)}` : null));
  const foreign = by((one) => (isCovered(one) ? null : nameOf(one)));
  const message = [
    ...foreign.map((names) => `${names} is in MAINT and not by lastcall; ${what}`),
    ...covered.map((names) => `${names}, which no command ends; what lastcall sets is set under it`),
  ].join('; ');
  return { code: 'held', message, soft: true };
}

function nameOf({ balancer, view }: Surveyed): string {
  return `${balancer}: ${view.name}`;
}

/** Nothing but a MAINT that ends by itself lies over a server that is READY. */
function isCovered({ view }: Surveyed): boolean {
  return view.over !== undefined && forcedOf(view) === 'ready';
}

function coverOf({ view }: Surveyed): string {
  return view.over === undefined ? '' : coverText(view.admin, view.over);
}

/** An operator's MAINT, or the DRAIN of a controller that is followed: a request that is admitted goes around it. */
export function isLeftAlone({ force }: Request, { view, held }: Surveyed): boolean {
  return held && !force && forcedOf(view) !== 'ready';
}

function heldAgainstReady(
  { policy }: Draft,
  { request }: Candidate,
  servers: readonly Surveyed[],
): Objection | null {
  // A followed server comes back by its owner's command: `ready` starts the application, and puts back what is ours.
  const isFollowed = policy.foreignDrain === 'follow' && servers.some(isHeldInDrain);
  const weightless = servers.filter(isWeightless);
  const others = servers.filter((one) => !isWeightless(one));
  const held = others.filter(({ held: isHeld }) => isHeld && !policy.readyTakesOver);
  const taken = request.force ? 0 : held.length;
  if (weightless.length > 0) return withoutWeight(weightless, isFollowed || taken < others.length);
  if (held.length === 0) return null;
  const names = held
    .map(({ balancer, view }) => `${balancer}: ${view.name} (${view.admin.toUpperCase()}${agentToo(view)})`)
    .join(', ');
  if (request.force) return { code: 'held', message: `${names} taken over`, soft: true };
  const message = `${names} is held and not by lastcall; let its owner end it, or use --force --reason`;
  return { code: 'held', message, soft: isFollowed || held.length < servers.length };
}

/**
 * A weight of 0 keeps users away from a server that is READY, and lastcall writes no weight: with nothing else to bring
 * back, nothing is touched.
 */
function withoutWeight(weightless: readonly Surveyed[], soft: boolean): Objection {
  const names = weightless.map(({ balancer, view }) => `${balancer}: ${view.name} ${weightlessText(view)}`);
  const agents = weightless.some(({ view }) => view.agent !== undefined)
    ? ', or another answer of the agent,'
    : '';
  const back = weightless.map(({ view }) => `\`set server ${view.name} weight N\``);
  const message = `${listed(names)}, and \`ready\` gives no weight back; nothing was changed for it: ${listed(back)}${agents} first`;
  return { code: 'held', message, soft };
}

/**
 * The last usable server is never taken out (I11); an unknown count is a refusal. A balancer that only polls us
 * does not show other servers: no guard is promised there.
 */
function capacity(draft: Draft, candidate: Candidate, servers: readonly Surveyed[]): Objection | null {
  const { policy } = draft;
  if (policy.keep === 0) return null;
  const counting = policy.balancers.filter(({ counts }) => counts).map(({ name }) => name);
  const asked = servers.filter(({ balancer, fact }) => counting.includes(balancer) && fact?.usable);
  for (const one of asked) {
    const others = othersFor(draft, candidate, one);
    if (others === null || others < policy.keep) return short(draft, candidate, one, others);
  }
  return null;
}

/** Those that serve this server's users in its place; null = unknown. */
function othersFor(
  { policy, state }: Draft,
  candidate: Candidate,
  { balancer, view, fact }: Surveyed,
): number | null {
  const { usableOthers = null, standbys = [] } = fact ?? {};
  if (usableOthers === null) return null;
  const { kind } = candidate.request;
  const ends = stopsApp(kind) ? twinsOf(state, candidate, balancer, view) : [];
  const counted = ends.filter(
    ({ role }) => role === 'active' || policy.keepBackups || fact?.role === 'backup',
  ).length;
  return Math.max(0, usableOthers + (policy.keepBackups ? standbys.length : 0) - counted);
}

function short(
  { policy }: Draft,
  candidate: Candidate,
  { balancer, view, fact }: Surveyed,
  others: number | null,
): Objection {
  const what = `${balancer}: ${view.name} would leave ${howMany(others, 'other usable server')}, and drain.keep is ${policy.keep}`;
  return answerable(
    candidate,
    'guard',
    `${what}${aroundIt(fact, policy.keepBackups)}`,
    'bring another back first',
  );
}

/** The servers that are missing, and the backups. */
function aroundIt(fact: ServerSurvey | undefined, keepBackups: boolean): string {
  const { missing = [], standbys = [] } = fact ?? {};
  const away = missing.length === 0 ? '' : ` (without ${listed(missing)})`;
  if (standbys.length === 0 || keepBackups) return away;
  const are =
    standbys.length === 1
      ? `the backup ${standbys[0] ?? ''} is up`
      : `the backups ${listed(standbys)} are up`;
  return `${away}; ${are}, and a backup does not count for an active server unless \`drain.keepBackups\` is set`;
}

/** A node that is out already was surveyed when it went; a stop asks only once more who counts. */
function needsCounting({ state }: Draft, { request }: Candidate): boolean {
  return stopsApp(request.kind) && !state.app.gone && state.phase !== 'stopping';
}
