import { beginChecks, endIsSeen, unconfigured } from './preflight.ts';
import { answerAlready, answerPassed, isAlready, mayRunAgain } from './already.ts';
import { noStart, undoFor } from '../phases/return.ts';
import { endAtRamp } from '../phases/read-back.ts';
import { endHold, refusedByHold, releaseAtOnce } from '../phases/hold.ts';
import { newOperation } from './begin.ts';
import { isByOperator, lastWith, ownedBy, ticketFor, withTicket } from './join.ts';
import type { Request } from '../model/api.ts';
import { endsNext } from '../model/objection.ts';
import { PHASES } from '../model/phase.ts';
import { isGoneByRecord, isSeenGone } from '../model/state.ts';
import { propose } from './proposal.ts';
import { planBeside, relate } from './relation.ts';
import { answerAtOnce, endOperation, finish, refuse } from '../report/result.ts';
import { downgradeToWarnings } from './terms.ts';
import { withdrawWaiting } from './slot-request.ts';
import { patch, patchOuting, resave, type Draft } from '../step-draft.ts';
import { type Candidate, comesBack, type Operation } from '../model/operation.ts';

/** Several callers, one operation: a request joins, takes over, undoes, is queued, or is refused as `busy`. */

/**
 * A request came in: it is taken up at once, or after the one that is being checked. A shutdown waits for none that can
 * be refused: what was being checked is judged again after it.
 */
export function onSubmit(draft: Draft, request: Request): void {
  const { queue, candidate } = draft.state;
  if (!request.isShutdown) return patch(draft, { queue: [...queue, request] });
  const first = queue.filter(({ isShutdown }) => isShutdown);
  const others = queue.filter(({ isShutdown }) => !isShutdown);
  if (!candidate || candidate.request.isShutdown)
    return patch(draft, { queue: [...first, request, ...others] });
  patch(draft, { candidate: null, queue: [...first, request, candidate.request, ...others] });
}

/** Takes up what waits, one after the other, as long as nothing is being checked or written. */
export function processQueue(draft: Draft): void {
  while (isFree(draft)) {
    const [request, ...queue] = draft.state.queue;
    if (!request || waitsForStart(draft, request) || waitsForLook(draft, request)) return;
    patch(draft, { queue });
    decide(draft, request);
  }
}

function isFree({ state }: Draft): boolean {
  return state.candidate === null && state.pending === null && PHASES[state.phase].place !== 'unknown';
}

/** A start that was given up is still under way; what gives up a return for a stop must stop what that start brings. */
function waitsForStart({ state }: Draft, request: Request): boolean {
  return state.app.start === 'sent' && (state.op === null || endsNext(request));
}

/** That the running operation is past the stop is the record's, until this life has looked for the application. */
function waitsForLook({ state }: Draft, { kind, dryRun }: Request): boolean {
  const { op, phase, app } = state;
  if (op === null || kind !== 'stop' || dryRun || relate(op, phase, kind) !== 'passed') return false;
  return isGoneByRecord(state) && app.recordedEnd?.evidence === null;
}

export function decide(draft: Draft, request: Request): void {
  const { op } = draft.state;
  if (refusedByHold(draft, request)) return;
  if (request.kind === 'ready' && !request.dryRun && isByOperator(request))
    withdrawWaiting(draft, `cancelled by ${request.by}: ready`);
  if (op) decideBeside(draft, request, op);
  else if (isAlready(draft, request) && !mayRunAgain(draft, request)) answerAlready(draft, request, draft.at);
  else if (!releaseAtOnce(draft, request)) beginChecks(draft, request);
}

function decideBeside(draft: Draft, request: Request, op: Operation): void {
  const relation = relate(op, draft.state.phase, request.kind);
  if (relation === 'busy' && !request.dryRun && endAtRamp(draft, request)) return decide(draft, request);
  if (relation === 'busy')
    return endsNext(request) ? preemptReturn(draft, request, op) : busy(draft, request, op);
  if (request.dryRun)
    return answerAtOnce(draft, request, draft.at, [], {
      plan: [planBeside(relation, op.kind)],
    });
  if (request.isShutdown && (relation === 'same' || relation === 'part')) return endWith(draft, request, op);
  switch (relation) {
    case 'same':
    case 'part':
      return join(draft, request, op);
    case 'then-start':
      return endIsSeen(draft) ? join(draft, request, op) : busy(draft, request, op);
    case 'passed':
      // Something answers for it since. The end of a child, which a shutdown ends, is seen by its parent.
      if (request.kind === 'stop' && !isSeenGone(draft.state) && !request.isShutdown)
        return busy(draft, request, op);
      return answerPassed(draft, request, op);
    case 'stronger':
      return beginChecks(draft, request);
    case 'undo':
      return undo(draft, request, op);
    default:
      return relation satisfies never;
  }
}

/** A shutdown does not wait for a return to end: users may be there already, so it begins with DRAIN. */
function preemptReturn(draft: Draft, request: Request, op: Operation): void {
  const message = `${op.kind} was given up for ${request.kind} by ${request.by}`;
  endOperation(draft, { code: 'cancelled', message }, 'draining', {
    ...noStart(draft),
    outing: { level: 'drain' },
  });
  beginChecks(draft, request);
}

/**
 * A shutdown takes a stop over: nothing is brought back after it, its own deadline (not the one of the stop) forces, and no
 * other id cancels it.
 */
function endWith(draft: Draft, request: Request, op: Operation): void {
  const message = `${op.kind} was given up for a shutdown by ${request.by}: it ends with the stop`;
  finish(draft, ({ kind }) => comesBack(kind) || kind === 'ready', 'cancelled', message);
  downgradeToWarnings(draft, request);
  // The survey for the stop is answered under that one's id, so it is made anew.
  patchOuting(draft, { recheck: null });
  lastWith(draft, request, 'stop');
  const ending = ownedBy(request, draft.state.op ?? op);
  const timeoutMs = request.timeoutMs ?? draft.policy.timeoutMs;
  patch(draft, {
    op: { ...ending, kind: 'stop', onTimeout: 'force', timeoutMs, deadline: draft.at + timeoutMs },
  });
  resave(draft);
  awaitDisk(draft, request, request.id);
}

/** `ready` gives up what is on its way out, and is done when what was found is back. */
function undo(draft: Draft, request: Request, op: Operation): void {
  const ticket = ticketFor(op, request);
  patch(draft, { op: { ...op, tickets: withTicket(op, ticket) } });
  if (request.force && draft.state.hold)
    patch(draft, endHold(draft, `${request.kind} by ${request.by} goes over it`));
  if (op.outcome) resave(draft);
  else undoFor(draft, request);
  awaitDisk(draft, request, ticket.id);
}

/** The operation runs whether or not the disk can be written; the caller is answered once the request is on disk. */
function awaitDisk(draft: Draft, request: Request, ticket: string): void {
  patch(draft, { pending: { kind: 'join', request, at: draft.at, ticket, save: draft.state.save } });
}

/** A caller joins: its ticket, and what it adds to the operation, are on disk before the answer. */
function join(draft: Draft, request: Request, op: Operation): void {
  const missing = unconfigured(draft, request);
  if (missing) return refuse(draft, request, draft.at, 'config', missing);
  const nothing = {
    surveys: {},
    unasked: {},
    needs: [],
    reading: {},
    unread: {},
    unproven: null,
    gone: false,
    turnAt: null,
  };
  const { proof } = draft.state.app;
  const candidate: Candidate = { ...nothing, request, at: draft.at, proof, joins: op.id };
  propose(draft, candidate, newOperation(draft, request, []));
}

function busy(draft: Draft, request: Request, op: Operation): void {
  const seconds = Math.round((draft.at - op.startedAt) / 1000);
  const since = seconds === 0 ? 'less than a second' : `${seconds} s`;
  const why = op.reason === null ? '' : ` (${op.reason})`;
  const text = `${draft.policy.node}: busy with ${op.kind} ${op.id} by ${op.by}${why} for ${since}; wait for it or cancel it`;
  refuse(draft, request, draft.at, 'busy', text);
}
