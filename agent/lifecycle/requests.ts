import { beginChecks, endIsSeen } from './admission.ts';
import { noStart, undoFor } from './back.ts';
import { overGuard } from './capacity.ts';
import { refusedByHold, releaseAtOnce } from './hold.ts';
import { isHolding } from './desired.ts';
import { isOpen, unfenced, unfencedLines } from './fence.ts';
import { isLasting } from './install.ts';
import type { OperationKind, Request } from './operation.ts';
import { PHASES } from './phases.ts';
import { acknowledge } from './proposal.ts';
import { relate } from './relation.ts';
import { answerAtOnce, conclude, finish, refuse } from './result.ts';
import { patch, patchOuting, resave, type Turn } from './turn.ts';
import type { Operation } from './running.ts';

/** Many hands, one operation: a request joins, takes over, undoes, waits its turn, or is told `busy`. */

/** A request came in: it is taken up at once, or after the one that is being checked. */
export function onSubmit(turn: Turn, request: Request): void {
  patch(turn, { queue: [...turn.state.queue, request] });
}

/** Takes up what waits, one after the other, as long as nothing is being checked or written. */
export function takeUp(turn: Turn): void {
  while (isFree(turn)) {
    const [request, ...queue] = turn.state.queue;
    if (!request || waitsForStart(turn, request)) return;
    patch(turn, { queue });
    decide(turn, request);
  }
}

function isFree({ state }: Turn): boolean {
  return state.candidate === null && state.pending === null && PHASES[state.phase].place !== 'unknown';
}

/** A start that was given up is still under way; a shutdown must stop what it brings. */
function waitsForStart({ state }: Turn, { insist }: Request): boolean {
  return state.app.start === 'sent' && (state.op === null || insist);
}

export function decide(turn: Turn, request: Request): void {
  const { op } = turn.state;
  if (refusedByHold(turn, request)) return;
  if (op) decideBeside(turn, request, op);
  else if (isAlready(turn, request)) answerAtOnce(turn, request, turn.at, unfencedNow(turn));
  else if (!releaseAtOnce(turn, request)) beginChecks(turn, request);
}

function decideBeside(turn: Turn, request: Request, op: Operation): void {
  const relation = relate(op, turn.state.phase, request.kind);
  if (relation === 'busy') return request.insist ? giveWay(turn, request, op) : busy(turn, request, op);
  if (request.dryRun)
    return answerAtOnce(turn, request, turn.at, [], [`the running ${op.kind} would answer it (${relation})`]);
  if (request.insist && (relation === 'same' || relation === 'part')) return endWith(turn, request, op);
  switch (relation) {
    case 'same':
      return join(turn, request, op);
    case 'part':
      return follow(turn, request, op, op.kind);
    case 'passed':
      return answerAtOnce(turn, request, turn.at, []);
    case 'stronger':
      return beginChecks(turn, request);
    case 'undo':
      return follow(turn, request, op, op.kind, () => (op.outcome ? resave(turn) : undoFor(turn, request)));
    case 'then-start':
      if (!endIsSeen(turn)) return busy(turn, request, op);
      return follow(turn, request, op, 'restart');
    default:
      return relation satisfies never;
  }
}

/** A shutdown does not wait for a return to end: users may be there already, so it begins with DRAIN. */
function giveWay(turn: Turn, request: Request, op: Operation): void {
  const message = `${op.kind} was given up for ${request.kind} by ${request.by}`;
  conclude(turn, { code: 'cancelled', message }, 'draining', {
    ...noStart(turn),
    outing: { level: 'drain' },
  });
  beginChecks(turn, request);
}

/** A shutdown joins a stop, but nothing is brought back after it, and its own deadline forces. */
function endWith(turn: Turn, request: Request, op: Operation): void {
  const message = `${op.kind} was given up for a shutdown by ${request.by}: it ends with the stop`;
  finish(turn, ({ kind }) => kind === 'restart' || kind === 'ready', 'cancelled', message);
  patchOuting(turn, overGuard(turn.state.outing, request));
  follow(turn, request, { ...(turn.state.op ?? op), onTimeout: 'force' }, 'stop');
}

/**
 * What an operator asks for outlives the restart of its container also where lastcall itself, or a shutdown, had asked
 * before (I19); what comes back by itself does not.
 */
function lastWith(turn: Turn, request: Request, { kind }: Operation): void {
  const { outing } = turn.state;
  if (outing === null || outing.lasting || kind === 'restart' || kind === 'ready') return;
  if (!isLasting(turn, request)) return;
  patchOuting(turn, { lasting: true });
  resave(turn);
}

/** It becomes part of what is under way, and is told so once that is on disk. */
function follow(
  turn: Turn,
  request: Request,
  op: Operation,
  kind: OperationKind,
  write: (turn: Turn) => void = resave,
): void {
  const { id } = request;
  if (request.kind === 'drain' || request.kind === 'stop') lastWith(turn, request, { ...op, kind });
  patch(turn, { op: { ...op, kind, tickets: [...op.tickets, { id, kind: request.kind }] } });
  write(turn);
  patch(turn, { pending: { kind: 'join', request, at: turn.at, ticket: id, save: turn.state.save } });
}

/** Another deadline is a new intent; whatever the intent, it is on disk before it is promised. */
function join(turn: Turn, request: Request, op: Operation): void {
  if (request.timeoutMs !== null && request.timeoutMs !== op.timeoutMs) return beginChecks(turn, request);
  lastWith(turn, request, op);
  const { intentSave: save } = turn.state;
  patch(turn, { pending: { kind: 'join', request, at: turn.at, ticket: op.id, save } });
  acknowledge(turn);
}

/** A drain that is there already says the same of it as the one that came to it. */
function unfencedNow({ policy, state }: Turn): string[] {
  return state.app.gone || state.outing?.fenced === false ? [] : unfencedLines({ policy, state });
}

/** Idempotent: what is asked for is so already, and nothing that is seen speaks against it. */
function isAlready({ state, policy }: Turn, request: Request): boolean {
  const { phase, app, outing } = state;
  if (request.dryRun || isHolding(state)) return false;
  if (request.kind === 'drain') {
    const isFenced = outing?.level === 'maint' && unfenced(policy, state) === null;
    const isDrained = outing?.fenced === false && !isOpen(policy, state) && !request.fence;
    // An expiry that is asked for holds from now on.
    const isAsAsked = request.expiresMs === null && (isFenced || isDrained);
    return (phase === 'stopped' && isFenced) || (phase === 'drained' && isAsAsked);
  }
  if (request.kind === 'stop')
    return app.gone && (phase === 'stopped' || (phase === 'drained' && !policy.canStop));
  return false;
}

function busy(turn: Turn, request: Request, op: Operation): void {
  const since = Math.round((turn.at - op.startedAt) / 1000);
  const why = op.reason === null ? '' : ` (${op.reason})`;
  const text = `${turn.policy.node}: busy with ${op.kind} ${op.id} by ${op.by}${why} for ${since} s; wait for it or cancel it`;
  refuse(turn, request, turn.at, 'busy', text);
}
