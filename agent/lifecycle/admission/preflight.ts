import { answerAlready, isAlready, mayRunAgain } from './already.ts';
import { onRefusedAgain, onSurveyedAgain } from '../phases/repeat-survey.ts';
import { doubtEnd, evidenceAgainstEnd } from '../phases/app-events.ts';
import { onSiblings } from '../phases/capacity.ts';
import type { Effect } from '../model/effect.ts';
import { evidenceOfLife } from '../observed/evidence.ts';
import { runChecks } from './checks.ts';
import { newOperation } from './begin.ts';
import { onlyWarns } from '../model/objection.ts';
import type { Request } from '../model/api.ts';
import { failStop } from '../phases/stop.ts';
import { isInRotation, isOutward, PHASES } from '../model/phase.ts';
import { loseReboot } from '../phases/reboot.ts';
import { planOf } from './dry-run.ts';
import { RETRY_LONGEST_MS } from '../model/policy.ts';
import { carryOut, propose } from './proposal.ts';
import { beginReading, isRead } from './readable.ts';
import { isCrossedByOurs, isOutdated } from './relation.ts';
import { answerAtOnce, dropPending, refuse } from '../report/result.ts';
import { askForSlot, mayBeOthersTurn, onClaimUnsaved } from './slot-request.ts';
import { type Candidate, comesBack, type Need, stopsApp } from '../model/operation.ts';
import { onPolled } from '../sync/reconcile.ts';
import type { State } from '../model/state.ts';
import { askSurvey, remember } from '../observed/surroundings.ts';
import { emit, type EventOf, isDurable, patch, save, type Draft } from '../step-draft.ts';

/**
 * Before anything is changed: every balancer is surveyed, the stop and the start are proven to be able to run, the
 * guard is asked; then the intent goes to disk, and only then the request is accepted.
 */

/** Starts the checks that this request needs in this phase. */
export function beginChecks(draft: Draft, request: Request): void {
  const { policy, state } = draft;
  const missing = unconfigured(draft, request);
  if (missing) return refuse(draft, request, draft.at, 'config', missing);
  const needs: Need[] = [];
  const stops = stopsApp(request.kind);
  if (!state.op)
    for (const { name } of policy.balancers) if (asks(state, name, stops)) needs.push(`survey ${name}`);
  if (request.kind === 'restart' && !endIsSeen(draft))
    return refuse(draft, request, draft.at, 'config', unseen(draft.policy.node));
  if (stops && !state.app.gone && !PHASES[state.phase].ending) needs.push('stop');
  if (mayRunAgain(draft, request)) needs.push('life');
  if (comesBack(request.kind) && policy.canStart) needs.push('start');
  if (request.kind === 'reboot') needs.push('reboot');
  patch(draft, {
    candidate: {
      request,
      at: draft.at,
      surveys: {},
      unasked: {},
      needs,
      ...beginReading(draft, request),
      proof: state.app.proof,
      unproven: null,
      gone: false,
      turnAt: null,
      joins: null,
    },
  });
  for (const need of needs) {
    if (need === 'stop' || need === 'start' || need === 'reboot')
      emit(draft, { type: 'check', id: request.id, need });
    else if (need === 'life') emit(draft, lookForLife(draft, request));
    else {
      const balancer = need.slice('survey '.length);
      askSurvey(draft, request.id, balancer, isInRotation(state.phase) ? 'all' : 'reload');
    }
  }
}

/** A node that is out was surveyed when it went; a stop asks again: no poll shows who else leads to this node since. */
function asks({ phase, balancers }: State, name: string, stops: boolean): boolean {
  return isInRotation(phase) || (stops && isOutward(phase) && (balancers[name]?.error ?? null) === null);
}

function lookForLife({ policy }: Draft, { id }: Request): Effect {
  return { type: 'look-for-life', id, sources: policy.appSources };
}

/** An application that was taken for gone and answers all the same is checked like one that was never gone. */
export function onLifeOfAbsent(draft: Draft, { id, signs }: EventOf<'life'>): void {
  const { candidate } = draft.state;
  if (candidate?.request.id !== id || !candidate.needs.includes('life')) return;
  const evidence = draft.state.app.gone ? evidenceAgainstEnd(draft, signs) : [];
  withCandidate(draft, id, (one) => met(one, 'life'));
  if (draft.state.app.gone && evidence.length === 0) return;
  doubtEnd(draft, evidence);
  withCandidate(draft, id, (one) => ({ ...one, needs: [...one.needs, 'stop'] }));
  emit(draft, { type: 'check', id, need: 'stop' });
}

/** Will it be seen that the application has ended before another one is started? */
export function endIsSeen({ policy, state: { app, phase } }: Draft): boolean {
  if (app.gone) return true;
  return policy.stopProves && (!PHASES[phase].ending || app.proof !== null);
}

function unseen(node: string): string {
  return `${node}: nothing proves that the application has ended when its stop command returns, and restart would start it beside itself: configure app.stop.gone, { pidFile: FILE } or { port: PORT }, or use stop and ready`;
}

/** What the configuration lacks for this request; null = nothing. */
export function unconfigured({ policy, state }: Draft, { kind, expiresMs }: Request): string | null {
  if (expiresMs !== null && !policy.hasProbe)
    return `${policy.node}: a drain that expires needs app.probe: nothing else shows whether the application is healthy`;
  if (kind === 'restart' && !policy.canStart)
    return `${policy.node}: restart needs app.start; configure it, or use stop and ready`;
  if (kind === 'reboot' && !policy.canStart && !policy.hasProbe)
    return `${policy.node}: reboot needs app.start or app.probe: nothing else shows that what the boot has started is healthy`;
  if (stopsApp(kind) && !policy.canStop && !state.app.gone) {
    return `${policy.node}: ${kind} needs app.stop; configure it, or use drain`;
  }
  return null;
}

export function onSurveyed(draft: Draft, event: EventOf<'surveyed'>): void {
  const { balancer, survey, startedAt, at } = event;
  const { siblings } = survey;
  const known = draft.state.balancers[balancer]?.around?.relatives ?? [];
  if (siblings === undefined) remember(draft, balancer, survey);
  onPolled(draft, { type: 'polled', balancer, look: survey, startedAt, at });
  if (siblings !== undefined) return onSiblings(draft, balancer, { startedAt, siblings });
  onSurveyedAgain(draft, event, known);
  withCandidate(draft, event.id, (candidate) => ({
    ...met(candidate, `survey ${balancer}`),
    // Of a node that is out only what a reload brought is asked, and that is remembered.
    surveys: isOutward(draft.state.phase) ? candidate.surveys : { ...candidate.surveys, [balancer]: survey },
  }));
}

export function onCommandChecked(
  draft: Draft,
  { id, need, proof, unproven, at }: EventOf<'command-checked'>,
): void {
  // It would start an application beside one that may not have ended.
  const isRestart = draft.state.candidate?.request.kind === 'restart';
  if (unproven && isRestart) {
    const error = `${draft.policy.node}: ${unproven.unproven}`;
    return onCheckFailed(draft, { type: 'check-failed', id, need, code: unproven.code, error, at });
  }
  withCandidate(draft, id, (candidate) => ({
    ...met(candidate, need),
    proof: need === 'stop' ? proof : candidate.proof,
    unproven: need === 'stop' ? (unproven?.unproven ?? null) : candidate.unproven,
  }));
}

/** The application to be stopped has ended already: believed only where nothing answers in its name. */
export function onAppAbsent(draft: Draft, { id, error, signs, at }: EventOf<'app-absent'>): void {
  const evidence = evidenceOfLife(draft.policy, draft.state.health, signs);
  if (evidence.length > 0) {
    const why = `${error}; yet the application may be running (${evidence.join(', ')})`;
    return onCheckFailed(draft, { type: 'check-failed', id, need: 'stop', code: 'app-stop', error: why, at });
  }
  withCandidate(draft, id, (candidate) => ({ ...met(candidate, 'stop'), proof: null, gone: true }));
}

const CAPACITY = 'capacity ';

/** A check failed: the request ends here, unless it cannot be refused and a balancer is only out of reach. */
export function onCheckFailed(draft: Draft, { id, need, code, error }: EventOf<'check-failed'>): void {
  const { candidate } = draft.state;
  if (need.startsWith(CAPACITY))
    return onSiblings(draft, need.slice(CAPACITY.length), { startedAt: draft.at, siblings: null });
  onRefusedAgain(draft, { id, need, error });
  if (!candidate || candidate.request.id !== id) return;
  const does =
    onlyWarns(candidate.request, code) ||
    (draft.policy.unreachable === 'ignore' && code === 'balancer-unreachable');
  if (does && need.startsWith('survey ')) {
    const unasked = { ...candidate.unasked, [need.slice('survey '.length)]: error };
    return patch(draft, { candidate: { ...met(candidate, need), unasked } });
  }
  patch(draft, { candidate: null });
  refuse(draft, candidate.request, candidate.at, code, error);
}

function withCandidate(draft: Draft, id: string, change: (candidate: Candidate) => Candidate): void {
  const { candidate } = draft.state;
  if (candidate?.request.id === id) patch(draft, { candidate: change(candidate) });
}

function met(candidate: Candidate, need: string): Candidate {
  return { ...candidate, needs: candidate.needs.filter((other) => other !== need) };
}

/** The lock is not asked for a dry run. */
const WITH_SLOT =
  'where another node of the pool is out on its slot, the operation waits for that and asks again with the slot';

/** All checks are in: refuse, answer, or send the record of the operation that it becomes to disk. */
export function admit(draft: Draft): void {
  const { candidate } = draft.state;
  if (!candidate || candidate.needs.length > 0 || !isRead(candidate) || draft.state.pending) return;
  const { request } = candidate;
  patch(draft, { candidate: null });
  // The node may have changed while the checks ran: they must still be all that the request needs.
  if (isOutdated(draft.state, candidate) || isCrossedByOurs(draft.state, candidate))
    return patch(draft, { queue: [request, ...draft.state.queue] });
  if (draft.state.op === null && isAlready(draft, request))
    return answerAlready(draft, request, candidate.at);
  const { refusal, warnings, objections } = runChecks(draft, candidate);
  const isOthersTurn = mayBeOthersTurn(draft, candidate, objections);
  const dry = {
    objections: objections.map(({ code, message, soft = false }) => ({ code, message, soft })),
  };
  if (refusal && request.dryRun) {
    const { code, message } = refusal;
    const text = isOthersTurn ? `${message}; ${WITH_SLOT}` : message;
    return refuse(draft, request, candidate.at, code, text, warnings, dry);
  }
  if (refusal && !isOthersTurn)
    return refuse(draft, request, candidate.at, refusal.code, refusal.message, warnings);
  if (request.dryRun) {
    const all = candidate.unproven === null ? warnings : [...warnings, candidate.unproven];
    return answerAtOnce(draft, request, candidate.at, all, { ...dry, plan: planOf(draft, candidate) });
  }
  const turn = askForSlot(draft, candidate);
  if (turn === 'wait' || turn === 'over') return;
  // The one that was out has come back meanwhile, perhaps: everything is asked anew with the slot.
  if (isOthersTurn) return patch(draft, { queue: [request, ...draft.state.queue] });
  // In rotation users come and go: the survey has counted them for this request.
  const since = isInRotation(draft.state.phase) ? candidate.at : -1;
  propose(draft, candidate, newOperation(draft, request, [...warnings, ...turn.go], since));
}

const FORGOTTEN =
  'after a crash the operation under way would be lost, and a DRAIN or MAINT set since would be taken for an operator’s (--force --reason takes it over)';

/** The disk refused: a new operation is not begun, a running one goes on with an alarm. */
export function onPersistFailed(draft: Draft, { save: failed, error }: EventOf<'persist-failed'>): void {
  const text = `the state could not be written: ${error}`;
  const isNews = draft.state.alarms['disk'] === undefined;
  const { pending } = draft.state;
  // An older record than the last one that was sent: what became of that is not known yet.
  const isProposal = pending?.kind === 'install' && failed >= draft.state.save;
  if (isProposal && !pending.request.isShutdown) {
    emit(draft, { type: 'log', level: 'error', text });
    const next = 'nothing was started; free the disk or mend its permissions';
    patch(draft, { pending: null });
    refuse(draft, pending.request, pending.at, 'state-write', `${error}; ${next}`);
    // The failed write may have reached the disk all the same, and must not be resumed after a crash.
    return save(draft);
  }
  // A shutdown cannot be refused: it goes on like every operation that runs.
  patch(draft, { saved: Math.max(draft.state.saved, failed), saveAgainAt: draft.at + RETRY_LONGEST_MS });
  if (isProposal) carryOut(draft, pending);
  onClaimUnsaved(draft, failed, error);
  // The text differs at each try by its elapsed time; the log gets it once.
  if (isNews) emit(draft, { type: 'log', level: 'error', text });
  const isOut = draft.state.op !== null || draft.state.outing !== null;
  const meanwhile = isOut ? FORGOTTEN : 'no operation can begin';
  patch(draft, { alarms: { ...draft.state.alarms, disk: `${text}; until it can, ${meanwhile}` } });
  if (pending?.kind === 'join' && failed >= pending.save) dropPending(draft, pending);
  loseReboot(draft, error);
  // After a crash the journal would not show it, and the hook would be called a second time (I6).
  const { phase, app } = draft.state;
  if (phase === 'drained' && app.stopIssued && isDurable(draft.state) && !draft.policy.stopIsIdempotent)
    failStop(draft, 'state-write', `${error}; the stop was not sent; free the disk, then \`lastcall stop\``);
}

/** Tries the disk again, which may have room by now: the record must not stay behind what is under way. */
export function saveAgain(draft: Draft): void {
  const { saveAgainAt } = draft.state;
  if (saveAgainAt === null || draft.at < saveAgainAt) return;
  patch(draft, { saveAgainAt: null });
  save(draft);
}
