import { answerAlready, isAlready, mayRunAgain } from './already.ts';
import { onRefusedAgain, onSurveyedAgain } from '../phases/ask-again.ts';
import { doubtEnd, evidenceAgainstEnd } from '../phases/app-events.ts';
import { onSiblings } from '../phases/capacity.ts';
import type { Effect } from '../model/effect.ts';
import { evidenceOfLife } from '../observed/evidence.ts';
import { objections } from './checks.ts';
import { operationOf } from './begin.ts';
import { goesOver } from '../model/objection.ts';
import type { Request } from '../model/api.ts';
import { failStop } from '../phases/stop.ts';
import { isInRotation, isOutward, PHASES } from '../model/phase.ts';
import { planOf } from './dry-run.ts';
import { RETRY_LONGEST_MS } from '../model/policy.ts';
import { carryOut, propose } from './proposal.ts';
import { beginReading, isRead } from './readable.ts';
import { isOutdated } from './relation.ts';
import { answerAtOnce, dropPending, refuse } from '../report/result.ts';
import type { Candidate, Need } from '../model/operation.ts';
import { onLooked } from '../sync/reconcile.ts';
import type { State } from '../model/state.ts';
import { askSurvey, remember } from '../observed/surroundings.ts';
import { emit, type EventOf, isDurable, patch, save, type Turn } from '../draft.ts';

/**
 * Before anything is changed: every balancer is surveyed, the stop and the start are proven to be able to run, the
 * guard is asked; then the intent goes to disk, and only then the request is accepted.
 */

/** Starts the checks that this request needs in this phase. */
export function beginChecks(turn: Turn, request: Request): void {
  const { policy, state } = turn;
  const missing = unconfigured(turn, request);
  if (missing) return refuse(turn, request, turn.at, 'config', missing);
  const needs: Need[] = [];
  const stops = request.kind === 'stop' || request.kind === 'restart';
  if (!state.op)
    for (const { name } of policy.balancers) if (asks(state, name, stops)) needs.push(`survey ${name}`);
  if (request.kind === 'restart' && !endIsSeen(turn))
    return refuse(turn, request, turn.at, 'config', unseen(turn.policy.node));
  if (stops && !state.app.gone && !PHASES[state.phase].ending) needs.push('stop');
  if (mayRunAgain(turn, request)) needs.push('life');
  if (request.kind === 'restart') needs.push('start');
  patch(turn, {
    candidate: {
      request,
      at: turn.at,
      surveys: {},
      unasked: {},
      needs,
      ...beginReading(turn, request),
      proof: state.app.proof,
      unproven: null,
      gone: false,
      joins: null,
    },
  });
  for (const need of needs) {
    if (need === 'stop' || need === 'start') emit(turn, { type: 'check', id: request.id, need });
    else if (need === 'life') emit(turn, lookForLife(turn, request));
    else {
      const balancer = need.slice('survey '.length);
      askSurvey(turn, request.id, balancer, isInRotation(state.phase) ? 'all' : 'reload');
    }
  }
}

/** A node that is out was surveyed when it went; a stop asks again where a reload may have changed that. */
function asks({ phase, balancers }: State, name: string, stops: boolean): boolean {
  if (isInRotation(phase)) return true;
  const { reloaded = null, error = null } = balancers[name] ?? {};
  return stops && isOutward(phase) && reloaded !== null && error === null;
}

function lookForLife({ policy }: Turn, { id }: Request): Effect {
  return { type: 'look-for-life', id, sources: policy.appSources };
}

/** What was taken for gone and answers all the same is checked like one that was never gone. */
export function onLifeOfAbsent(turn: Turn, { id, signs }: EventOf<'life'>): void {
  const { candidate } = turn.state;
  if (candidate?.request.id !== id || !candidate.needs.includes('life')) return;
  const evidence = turn.state.app.gone ? evidenceAgainstEnd(turn, signs) : [];
  withCandidate(turn, id, (one) => met(one, 'life'));
  if (turn.state.app.gone && evidence.length === 0) return;
  doubtEnd(turn, evidence);
  withCandidate(turn, id, (one) => ({ ...one, needs: [...one.needs, 'stop'] }));
  emit(turn, { type: 'check', id, need: 'stop' });
}

/** Will it be seen that the application has ended before another one is started? */
export function endIsSeen({ policy, state: { app, phase } }: Turn): boolean {
  if (app.gone) return true;
  return policy.stopProves && (!PHASES[phase].ending || app.proof !== null);
}

function unseen(node: string): string {
  return `${node}: nothing proves that the application has ended when its stop command returns, and restart would start it beside itself: configure app.stop.gone, { pidFile: FILE } or { port: PORT }, or use stop and ready`;
}

/** What the configuration lacks for this request; null = nothing. */
export function unconfigured({ policy, state }: Turn, { kind, expiresMs }: Request): string | null {
  if (expiresMs !== null && !policy.hasProbe)
    return `${policy.node}: a drain that expires needs app.probe: nothing else tells whether the application is well`;
  if (kind === 'restart' && !policy.canStart)
    return `${policy.node}: restart needs app.start; configure it, or use stop and ready`;
  if ((kind === 'stop' || kind === 'restart') && !policy.canStop && !state.app.gone) {
    return `${policy.node}: ${kind} needs app.stop; configure it, or use drain`;
  }
  return null;
}

export function onSurveyed(turn: Turn, event: EventOf<'surveyed'>): void {
  const { balancer, survey, begun, at } = event;
  const { siblings } = survey;
  const known = turn.state.balancers[balancer]?.around?.relatives ?? [];
  if (siblings === undefined) remember(turn, balancer, survey);
  onLooked(turn, { type: 'looked', balancer, look: survey, begun, at });
  if (siblings !== undefined) return onSiblings(turn, balancer, { begun, siblings });
  onSurveyedAgain(turn, event, known);
  withCandidate(turn, event.id, (candidate) => ({
    ...met(candidate, `survey ${balancer}`),
    // Of a node that is out only what a reload brought is asked, and that is remembered.
    surveys: isOutward(turn.state.phase) ? candidate.surveys : { ...candidate.surveys, [balancer]: survey },
  }));
}

export function onChecked(turn: Turn, { id, need, proof, unproven, at }: EventOf<'checked'>): void {
  // It would start an application beside one that may not have ended.
  const isRestart = turn.state.candidate?.request.kind === 'restart';
  if (unproven && isRestart) {
    const error = `${turn.policy.node}: ${unproven.unproven}`;
    return onRefused(turn, { type: 'refused', id, need, code: unproven.code, error, at });
  }
  withCandidate(turn, id, (candidate) => ({
    ...met(candidate, need),
    proof: need === 'stop' ? proof : candidate.proof,
    unproven: need === 'stop' ? (unproven?.unproven ?? null) : candidate.unproven,
  }));
}

/** What would be stopped has ended already. Believed only where nothing answers in its name. */
export function onAbsent(turn: Turn, { id, error, signs, at }: EventOf<'app-absent'>): void {
  const evidence = evidenceOfLife(turn.policy, turn.state.health, signs);
  if (evidence.length > 0) {
    const why = `${error}; yet the application may be running (${evidence.join(', ')})`;
    return onRefused(turn, { type: 'refused', id, need: 'stop', code: 'app-stop', error: why, at });
  }
  withCandidate(turn, id, (candidate) => ({ ...met(candidate, 'stop'), proof: null, gone: true }));
}

const CAPACITY = 'capacity ';

/** A check failed: the request ends here, unless it cannot be refused and a balancer is only out of reach. */
export function onRefused(turn: Turn, { id, need, code, error }: EventOf<'refused'>): void {
  const { candidate } = turn.state;
  if (need.startsWith(CAPACITY))
    return onSiblings(turn, need.slice(CAPACITY.length), { begun: turn.at, siblings: null });
  onRefusedAgain(turn, { id, need, error });
  if (!candidate || candidate.request.id !== id) return;
  const does =
    goesOver(candidate.request, code) ||
    (turn.policy.unreachable === 'ignore' && code === 'balancer-unreachable');
  if (does && need.startsWith('survey ')) {
    const unasked = { ...candidate.unasked, [need.slice('survey '.length)]: error };
    return patch(turn, { candidate: { ...met(candidate, need), unasked } });
  }
  patch(turn, { candidate: null });
  refuse(turn, candidate.request, candidate.at, code, error);
}

function withCandidate(turn: Turn, id: string, change: (candidate: Candidate) => Candidate): void {
  const { candidate } = turn.state;
  if (candidate?.request.id === id) patch(turn, { candidate: change(candidate) });
}

function met(candidate: Candidate, need: string): Candidate {
  return { ...candidate, needs: candidate.needs.filter((other) => other !== need) };
}

/** All checks are in: refuse, answer, or send the record of the operation that it becomes to disk. */
export function admit(turn: Turn): void {
  const { candidate } = turn.state;
  if (!candidate || candidate.needs.length > 0 || !isRead(candidate) || turn.state.pending) return;
  const { request } = candidate;
  patch(turn, { candidate: null });
  // The world may have moved while we asked: what was needed then must still be all that is needed.
  if (isOutdated(turn.state, candidate)) return patch(turn, { queue: [request, ...turn.state.queue] });
  if (turn.state.op === null && isAlready(turn, request)) return answerAlready(turn, request, candidate.at);
  const { refusal, warnings } = objections(turn, candidate);
  if (refusal) return refuse(turn, request, candidate.at, refusal.code, refusal.message, warnings);
  if (request.dryRun) {
    const told = candidate.unproven === null ? warnings : [...warnings, candidate.unproven];
    return answerAtOnce(turn, request, candidate.at, told, planOf(turn, request));
  }
  // In rotation users come and go: the survey has counted them for this request.
  const since = isInRotation(turn.state.phase) ? candidate.at : -1;
  propose(turn, candidate, operationOf(turn, request, warnings, since));
}

const FORGOTTEN =
  'a crash would forget what is under way, and a DRAIN or MAINT said since would be taken for somebody else’s (--force --reason takes it over)';

/** The disk refused: a new operation is not begun, a running one goes on with an alarm. */
export function onPersistFailed(turn: Turn, { save: failed, error }: EventOf<'persist-failed'>): void {
  const text = `the state could not be written: ${error}`;
  const isNews = turn.state.alarms['disk'] === undefined;
  const { pending } = turn.state;
  // An older record than the last one that was sent: what became of that is not known yet.
  const isProposal = pending?.kind === 'install' && failed >= turn.state.save;
  if (isProposal && !pending.request.insist) {
    emit(turn, { type: 'log', level: 'error', text });
    const next = 'nothing was started; free the disk or mend its permissions';
    patch(turn, { pending: null });
    refuse(turn, pending.request, pending.at, 'state-write', `${error}; ${next}`);
    // The failed write may have reached the disk all the same, and must not be resumed after a crash.
    return save(turn);
  }
  // A shutdown cannot be refused: it goes on like every operation that runs.
  patch(turn, { saved: Math.max(turn.state.saved, failed), saveAgainAt: turn.at + RETRY_LONGEST_MS });
  if (isProposal) carryOut(turn, pending);
  // The text differs at each try by its elapsed time; the log gets it once.
  if (isNews) emit(turn, { type: 'log', level: 'error', text });
  const isOut = turn.state.op !== null || turn.state.outing !== null;
  const meanwhile = isOut ? FORGOTTEN : 'no operation can begin';
  patch(turn, { alarms: { ...turn.state.alarms, disk: `${text}; until it can, ${meanwhile}` } });
  if (pending?.kind === 'join' && failed >= pending.save) dropPending(turn, pending);
  // After a crash the journal would not show it, and the hook would be called a second time (I6).
  const { phase, app } = turn.state;
  if (phase === 'drained' && app.stopIssued && isDurable(turn.state) && !turn.policy.stopRepeatable)
    failStop(turn, 'state-write', `${error}; the stop was not sent; free the disk, then \`lastcall stop\``);
}

/** A full disk that was emptied heals by itself: the record must not stay behind what is under way. */
export function saveAgain(turn: Turn): void {
  const { saveAgainAt } = turn.state;
  if (saveAgainAt === null || turn.at < saveAgainAt) return;
  patch(turn, { saveAgainAt: null });
  save(turn);
}
