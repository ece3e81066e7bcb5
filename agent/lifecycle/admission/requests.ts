import { beginChecks, endIsSeen, unconfigured } from './preflight.ts';
import { answerAlready, isAlready, mayRunAgain } from './already.ts';
import { noStart, undoFor } from '../phases/return.ts';
import { refusedByHold, releaseAtOnce } from '../phases/hold.ts';
import { operationOf } from './begin.ts';
import { lastWith, ownedBy, ticketFor, withTicket } from './join.ts';
import type { Request } from '../model/api.ts';
import { PHASES } from '../model/phase.ts';
import { propose } from './proposal.ts';
import { relate } from './relation.ts';
import { answerAtOnce, conclude, finish, refuse } from '../report/result.ts';
import { onlyWarn } from './terms.ts';
import { patch, patchOuting, resave, type Turn } from '../draft.ts';
import type { Candidate, Operation } from '../model/operation.ts';

/** Several callers, one operation: a request joins, takes over, undoes, is queued, or is refused as `busy`. */

/**
 * A request came in: it is taken up at once, or after the one that is being checked. A shutdown waits for none that can
 * be refused: what was being checked is judged again after it.
 */
export function onSubmit(turn: Turn, request: Request): void {
  const { queue, candidate } = turn.state;
  if (!request.insist) return patch(turn, { queue: [...queue, request] });
  const first = queue.filter(({ insist }) => insist);
  const others = queue.filter(({ insist }) => !insist);
  if (!candidate || candidate.request.insist) return patch(turn, { queue: [...first, request, ...others] });
  patch(turn, { candidate: null, queue: [...first, request, candidate.request, ...others] });
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
  else if (isAlready(turn, request) && !mayRunAgain(turn, request)) answerAlready(turn, request, turn.at);
  else if (!releaseAtOnce(turn, request)) beginChecks(turn, request);
}

function decideBeside(turn: Turn, request: Request, op: Operation): void {
  const relation = relate(op, turn.state.phase, request.kind);
  if (relation === 'busy') return endsNext(request) ? giveWay(turn, request, op) : busy(turn, request, op);
  if (request.dryRun)
    return answerAtOnce(turn, request, turn.at, [], [`the running ${op.kind} would answer it (${relation})`]);
  if (request.insist && (relation === 'same' || relation === 'part')) return endWith(turn, request, op);
  switch (relation) {
    case 'same':
    case 'part':
      return join(turn, request, op);
    case 'then-start':
      return endIsSeen(turn) ? join(turn, request, op) : busy(turn, request, op);
    case 'passed':
      return answerAtOnce(turn, request, turn.at, []);
    case 'stronger':
      return beginChecks(turn, request);
    case 'undo':
      return undo(turn, request, op);
    default:
      return relation satisfies never;
  }
}

/** The application is ended next, whatever is answered. */
function endsNext({ insist, noRefuse = false, dryRun }: Request): boolean {
  return insist || (noRefuse && !dryRun);
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

/** A shutdown takes a stop over: nothing is brought back after it, its own deadline forces, and no other id cancels it. */
function endWith(turn: Turn, request: Request, op: Operation): void {
  const message = `${op.kind} was given up for a shutdown by ${request.by}: it ends with the stop`;
  finish(turn, ({ kind }) => kind === 'restart' || kind === 'ready', 'cancelled', message);
  onlyWarn(turn, request);
  // What was asked for the stop is answered under its id, so it is asked anew.
  patchOuting(turn, { recheck: null });
  lastWith(turn, request, 'stop');
  const ending = ownedBy(request, turn.state.op ?? op);
  patch(turn, { op: { ...ending, kind: 'stop', onTimeout: 'force' } });
  resave(turn);
  awaitDisk(turn, request, request.id);
}

/** `ready` gives up what is on its way out, and is done when what was found is back. */
function undo(turn: Turn, request: Request, op: Operation): void {
  const ticket = ticketFor(op, request);
  patch(turn, { op: { ...op, tickets: withTicket(op, ticket) } });
  if (op.outcome) resave(turn);
  else undoFor(turn, request);
  awaitDisk(turn, request, ticket.id);
}

/** The operation runs whether or not the disk can be written; the caller is answered once the request is on disk. */
function awaitDisk(turn: Turn, request: Request, ticket: string): void {
  patch(turn, { pending: { kind: 'join', request, at: turn.at, ticket, save: turn.state.save } });
}

/** A caller joins: its ticket, and what it adds to the operation, are on disk before the answer. */
function join(turn: Turn, request: Request, op: Operation): void {
  const missing = unconfigured(turn, request);
  if (missing) return refuse(turn, request, turn.at, 'config', missing);
  const nothing = {
    surveys: {},
    unasked: {},
    needs: [],
    reading: {},
    unread: {},
    unproven: null,
    gone: false,
  };
  const { proof } = turn.state.app;
  const candidate: Candidate = { ...nothing, request, at: turn.at, proof, joins: op.id };
  propose(turn, candidate, operationOf(turn, request, []));
}

function busy(turn: Turn, request: Request, op: Operation): void {
  const since = Math.round((turn.at - op.startedAt) / 1000);
  const why = op.reason === null ? '' : ` (${op.reason})`;
  const text = `${turn.policy.node}: busy with ${op.kind} ${op.id} by ${op.by}${why} for ${since} s; wait for it or cancel it`;
  refuse(turn, request, turn.at, 'busy', text);
}
