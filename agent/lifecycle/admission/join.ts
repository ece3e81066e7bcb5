import type { Joined, OperationKind, Request, Result } from '../model/api.ts';
import { relate } from './relation.ts';
import { comesBack, type Operation, type Ticket } from '../model/operation.ts';
import { applyTerms, termsOf } from './terms.ts';
import { patchOuting, resave, type Draft, warn } from '../step-draft.ts';

/**
 * Callers who join a running operation. Each has its own ticket, which is answered and can be withdrawn; what a
 * request adds to the operation holds from then on.
 */

/** The most callers with their own ticket; each further one shares the ticket of the last one of its kind. */
export const MOST_TICKETS = 64;

/** Whether this is the result of a caller who joined: the operation has one of its own. */
export function hasJoined({ id, joined }: Result): boolean {
  return joined?.some((one) => one.id === id) ?? false;
}

/**
 * The request becomes part of the running operation; that counts once it is on disk.
 * @returns its ticket
 */
export function joinIn(draft: Draft, request: Request, op: Operation): string {
  if (relate(op, draft.state.phase, request.kind) === 'then-start') return goOnWith(draft, request, op);
  const terms = termsOf(draft, op, request);
  const ticket = ticketFor(op, request);
  const joined = withJoined(op, { ...describe(request), id: ticket.id, terms });
  const tickets = withTicket(op, ticket);
  lastWith(draft, request, op.kind);
  applyTerms(draft, { ...op, tickets, joined }, request, terms);
  if (op.kind !== 'drain' && request.expiresMs !== null) warn(draft, 'no expiry', neverExpires(op));
  resave(draft);
  return ticket.id;
}

/** For a drain that asks for an expiry, and is part of an operation that stops the application. */
export function neverExpires({ kind }: Operation): string {
  return `a drain that joins a ${kind} does not expire once the application is stopped: \`lastcall ready\` brings the node back`;
}

/** A start follows the stop that was issued: from then on the operation is that of the caller who asked for the start. */
function goOnWith(draft: Draft, request: Request, op: Operation): string {
  const returnMs = request.timeoutMs ?? draft.policy.returnMs;
  const restart: Operation = { ...ownedBy(request, op), kind: 'restart', returnMs };
  applyTerms(draft, restart, request, termsOf(draft, op, request));
  resave(draft);
  return request.id;
}

/** The operation as this caller's own: the id of this request is the one that cancels it. */
export function ownedBy({ id, kind, by, reason }: Request, op: Operation): Operation {
  return { ...op, id, by, reason, tickets: [...op.tickets, { id, kind }] };
}

/** A ticket of its own; where there are too many, that of the last caller who joined for the same. */
export function ticketFor({ id: own, tickets }: Operation, { id, kind }: Request): Ticket {
  const isFull = tickets.length >= MOST_TICKETS;
  const shared = isFull ? tickets.findLast((one) => one.kind === kind && one.id !== own) : undefined;
  return shared ?? { id, kind };
}

export function withTicket({ tickets }: Operation, ticket: Ticket): readonly Ticket[] {
  return tickets.includes(ticket) ? tickets : [...tickets, ticket];
}

function describe({ kind, by, reason }: Request): Omit<Joined, 'id' | 'terms'> {
  return { operation: kind, by, reason };
}

/** Callers who share a ticket share its line; of those who wait no more the oldest is dropped first. */
function withJoined({ joined, tickets }: Operation, one: Joined): readonly Joined[] {
  const shared = joined.find(({ id }) => id === one.id);
  const others = joined.filter((other) => other !== shared);
  const gone = others.findIndex(({ id }) => !tickets.some((ticket) => ticket.id === id));
  const kept = others.length < MOST_TICKETS || gone < 0 ? others : others.toSpliced(gone, 1);
  return [...kept, { ...one, terms: { ...shared?.terms, ...one.terms } }];
}

/**
 * An operator's drain or stop outlives the restart of its container; a shutdown (a preStop hook is one), and lastcall's
 * own, do not (I19).
 */
export function isLasting({ state }: Draft, request: Request): boolean {
  return (state.outing?.lasting ?? false) || (!comesBack(request.kind) && isByOperator(request));
}

/** Neither a shutdown, nor the application, nor lastcall itself. */
export function isByOperator({ by, noRefuse = false }: Request): boolean {
  return !noRefuse && !['signal', 'app', 'lastcall'].includes(by);
}

/**
 * A request of an operator outlives the restart of its container also where lastcall itself, or a shutdown, had
 * made it before (I19); a state that ends by itself does not.
 * @param kind of the operation that is joined
 */
export function lastWith(draft: Draft, request: Request, kind: OperationKind): void {
  if (request.kind !== 'drain' && request.kind !== 'stop') return;
  if (comesBack(kind) || kind === 'ready') return;
  patchOuting(draft, { lasting: isLasting(draft, request) });
}
