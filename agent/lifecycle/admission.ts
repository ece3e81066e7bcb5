import { onRefusedAgain, onSurveyedAgain } from './again.ts';
import { objections } from './guard.ts';
import { install } from './install.ts';
import type { Phase, Request } from './operation.ts';
import { RETRY_LONGEST_MS } from './policy.ts';
import { relate, type Relation } from './relation.ts';
import { answerAtOnce, dropPending, refuse, replyTo } from './result.ts';
import { onLooked } from './servers.ts';
import type { Candidate, Need } from './running.ts';
import type { State } from './state.ts';
import { remember } from './surroundings.ts';
import {
  emit,
  type EventOf,
  isDurable,
  mapServers,
  patch,
  resave,
  save,
  serversOf,
  type Turn,
} from './turn.ts';
import { failStop } from './out.ts';
import { planOf } from './plan.ts';

/**
 * Before anything is changed: every balancer is surveyed, the stop and the start are proven to be able to run, the
 * guard is asked; then the intent goes to disk, and only then the request is accepted.
 */

/** What a checked request may still be to a running operation: another deadline, or more than it. */
const CHANGES: readonly Relation[] = ['same', 'stronger'];
const IN_ROTATION: readonly Phase[] = ['serving', 'unhealthy', 'returning'];

/** Starts the checks that this request needs in this phase. */
export function beginChecks(turn: Turn, request: Request): void {
  const { policy, state } = turn;
  const missing = unconfigured(turn, request);
  if (missing) return refuse(turn, request, turn.at, 'config', missing);
  const needs: Need[] = [];
  if (IN_ROTATION.includes(state.phase) && !state.op) {
    for (const { name } of policy.balancers) needs.push(`survey ${name}`);
  }
  const stops = request.kind === 'stop' || request.kind === 'restart';
  if (stops && !state.appGone && state.phase !== 'stopping') needs.push('stop');
  if (request.kind === 'restart') needs.push('start');
  patch(turn, {
    candidate: { request, at: turn.at, surveys: {}, unasked: {}, needs, proof: state.proof, gone: false },
  });
  for (const need of needs) {
    if (need === 'stop' || need === 'start') emit(turn, { type: 'check', id: request.id, need });
    else {
      const balancer = need.slice('survey '.length);
      emit(turn, { type: 'survey', id: request.id, balancer, scope: 'all' });
    }
  }
}

function unconfigured({ policy, state }: Turn, { kind, expiresMs }: Request): string | null {
  if (expiresMs !== null && !policy.hasProbe)
    return `${policy.node}: a drain that expires needs app.probe: nothing else tells whether the application is well`;
  if (kind === 'restart' && !policy.canStart)
    return `${policy.node}: restart needs app.start; configure it, or use stop and ready`;
  if ((kind === 'stop' || kind === 'restart') && !policy.canStop && !state.appGone) {
    return `${policy.node}: ${kind} needs app.stop; configure it, or use drain`;
  }
  return null;
}

export function onSurveyed(turn: Turn, event: EventOf<'surveyed'>): void {
  const { balancer, survey, begun, at } = event;
  onLooked(turn, { type: 'looked', balancer, look: survey, begun, at });
  remember(turn, balancer, survey);
  onSurveyedAgain(turn, event);
  withCandidate(turn, event.id, (candidate) => ({
    ...met(candidate, `survey ${balancer}`),
    surveys: { ...candidate.surveys, [balancer]: survey },
  }));
}

export function onChecked(turn: Turn, { id, need, proof }: EventOf<'checked'>): void {
  withCandidate(turn, id, (candidate) => ({
    ...met(candidate, need),
    proof: need === 'stop' ? proof : candidate.proof,
  }));
}

/**
 * What would be stopped has ended already. Believed only if nobody answers in its name: a stale pid file must not make
 * living users look like none.
 */
export function onAbsent(turn: Turn, { id, error, counted, at }: EventOf<'app-absent'>): void {
  const { policy, health } = { ...turn, ...turn.state };
  if (counted || (policy.hasProbe && health !== 'down')) {
    const why = `${error}; yet the application may be running (probe: ${health}${counted ? ', and it counts sessions' : ''})`;
    return onRefused(turn, { type: 'refused', id, need: 'stop', code: 'app-stop', error: why, at });
  }
  withCandidate(turn, id, (candidate) => ({ ...met(candidate, 'stop'), proof: null, gone: true }));
}

/** A check failed: the request ends here, unless it insists and a balancer is only out of reach. */
export function onRefused(turn: Turn, { id, need, code, error }: EventOf<'refused'>): void {
  const { candidate } = turn.state;
  onRefusedAgain(turn, { id, need, error });
  if (!candidate || candidate.request.id !== id) return;
  const does =
    candidate.request.insist || (turn.policy.unreachable === 'ignore' && code === 'balancer-unreachable');
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

/** All checks are in: refuse, answer, or install the operation and send its intent to disk. */
export function admit(turn: Turn): void {
  const { candidate } = turn.state;
  if (!candidate || candidate.needs.length > 0 || turn.state.pending) return;
  const { request } = candidate;
  patch(turn, { candidate: null });
  // The world may have moved while we asked: what was needed then must still be all that is needed.
  if (isOutdated(turn, candidate)) return patch(turn, { queue: [request, ...turn.state.queue] });
  const verdict = objections(turn, candidate);
  const { refusal, warnings } = verdict;
  if (refusal) return refuse(turn, request, candidate.at, refusal.code, refusal.message, warnings);
  if (request.dryRun) return answerAtOnce(turn, request, candidate.at, warnings, planOf(turn, request));
  const before = turn.state;
  const ticket = install(turn, candidate, warnings);
  if (ticket === null) return answerAtOnce(turn, request, candidate.at, warnings);
  patch(turn, { pending: { request, at: candidate.at, ticket, save: turn.state.save, before } });
}

function isOutdated({ state }: Turn, { surveys, unasked, request }: Candidate): boolean {
  if (state.op) return !CHANGES.includes(relate(state.op, state.phase, request.kind));
  const surveyed = Object.keys({ ...surveys, ...unasked }).length > 0;
  const inRotation = IN_ROTATION.includes(state.phase);
  return inRotation !== surveyed && !request.insist;
}

/** The intent is on disk: now the request is accepted, and only now anything may be done for it. */
export function acknowledge(turn: Turn): void {
  const { pending } = turn.state;
  if (!pending || !isDurable(turn.state)) return;
  patch(turn, { pending: null });
  replyTo(turn, pending);
}

const FORGOTTEN =
  'a crash would forget what is under way, and a DRAIN or MAINT said since would be taken for somebody else’s (--force --reason takes it over)';

/** The disk refused: a new operation is not begun, a running one goes on with an alarm. */
export function onPersistFailed(turn: Turn, { save: failed, error }: EventOf<'persist-failed'>): void {
  const { pending, intentSave, alarms, op } = turn.state;
  const text = `the state could not be written: ${error}`;
  // Only the newest intent can be taken back: another one may stand on it already.
  if (pending?.before && failed === pending.save && failed === intentSave) {
    emit(turn, { type: 'log', level: 'error', text });
    takeBack(turn, pending.before);
    const next = 'nothing was started; free the disk or mend its permissions';
    return refuse(turn, pending.request, pending.at, 'state-write', `${error}; ${next}`);
  }
  patch(turn, { saved: Math.max(turn.state.saved, failed), saveAgainAt: turn.at + RETRY_LONGEST_MS });
  // Each try fails after another time, so the texts differ; the log is told once.
  if (alarms['disk'] === undefined) emit(turn, { type: 'log', level: 'error', text });
  const isOut = op !== null || serversOf(turn.state).some(({ server }) => server.want !== null);
  const meanwhile = isOut ? FORGOTTEN : 'no operation can begin';
  patch(turn, { alarms: { ...turn.state.alarms, disk: `${text}; until it can, ${meanwhile}` } });
  if (pending && failed >= pending.save) dropPending(turn, pending);
  // After a crash nobody would know of it, and it would be sent a second time (I6).
  const { phase, stopIssued } = turn.state;
  if (phase === 'drained' && stopIssued && isDurable(turn.state) && !turn.policy.stopRepeatable)
    failStop(turn, 'state-write', `${error}; the stop was not sent; free the disk, then \`lastcall stop\``);
}

/** A full disk that was emptied heals by itself: the record must not stay behind what is under way. */
export function saveAgain(turn: Turn): void {
  const { saveAgainAt } = turn.state;
  if (saveAgainAt === null || turn.at < saveAgainAt) return;
  patch(turn, { saveAgainAt: null });
  save(turn);
}

/** Everything as it was before the request, but for what was seen of the world since, and what is on its way to it. */
function takeBack(turn: Turn, before: State): void {
  const { balancers, sources, health, appGone, alarms, queue, epoch, save: saved } = turn.state;
  const seen = { balancers, sources, health, appGone, alarms, queue, epoch };
  patch(turn, { ...before, ...seen, save: saved, saved });
  if (appGone) patch(turn, { proof: null });
  mapServers(turn, (now, server, balancer) => {
    const old = before.balancers[balancer]?.servers[server];
    if (!old) return now;
    const { found, want, ours, said, held, heldIn, confirmed } = old;
    return { ...now, found, want, ours, said, held, heldIn, confirmed };
  });
  // The failed write may have reached the disk all the same, and must not be resumed after a crash.
  resave(turn);
}
