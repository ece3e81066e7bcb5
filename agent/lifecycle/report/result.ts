import type { Code } from '../../system/error.ts';
import { connectionsOf, doubtAt, sessionCount, viewOf } from '../observed/counts.ts';
import type { Joined, Phase, ReassertsReport, Receipt, Request, Result, SourceCount } from '../model/api.ts';
import type { Policy } from '../model/policy.ts';
import type { Operation, Ticket } from '../model/operation.ts';
import type { Pending } from '../model/pending.ts';
import type { State } from '../model/state.ts';
import { NO_REASSERTS, type Reasserts } from '../model/recorded-parts.ts';
import {
  type Changes,
  emit,
  enterPhase,
  setIntent,
  patch,
  save,
  serversOf,
  type Draft,
} from '../step-draft.ts';
import { onOwnRequestAnswered } from '../observed/auto-requests.ts';
import { minus, NO_COUNTERS, total } from './counter-sums.ts';
import { noteFailure } from './slot-failure.ts';
import { costOf, textsOf } from '../model/warnings.ts';
import {
  sameWorker,
  type Admin,
  type Counters,
  type Operational,
  type ServerView,
} from '../model/observation.ts';

/** The result of an operation, for the caller (API.md#result). */

/** Ends the tickets of the running operation that `whose` picks; each gets its own result. */
export function finish(draft: Draft, whose: (ticket: Ticket) => boolean, code: Code, message?: string): void {
  const { op } = draft.state;
  if (!op) return;
  const ended = op.tickets.filter(whose);
  // Its own result comes last: of many at once only the last ones are kept over a crash.
  const own = ended.filter(({ id }) => id === op.id);
  for (const ticket of [...ended.filter(({ id }) => id !== op.id), ...own])
    emit(draft, { type: 'finish', refused: false, result: resultOf(draft, ticket, code, message) });
  const left = op.tickets.filter((ticket) => !whose(ticket));
  patch(draft, { op: { ...op, tickets: left } });
  const { pending } = draft.state;
  if (pending?.kind === 'join' && !left.some(({ id }) => id === pending.ticket)) dropPending(draft, pending);
}

/** A request that waited for a slot has its result: its acceptance is not answered after that. */
export function dropAcceptance(draft: Draft, id: string): void {
  const { pending } = draft.state;
  if (pending?.kind === 'join' && pending.ticket === id) dropPending(draft, pending);
}

/** The request is accepted, and its result will come under its ticket. */
export function replyTo(
  draft: Draft,
  { request, ticket }: { readonly request: Request; readonly ticket: string },
): void {
  const { op } = draft.state;
  const joins = op?.joined.some(({ id }) => id === ticket) === true ? op.id : null;
  if (request.accepted === undefined) emit(draft, { type: 'reply', id: request.id, ticket, joins });
  onOwnRequestAnswered(draft, request.id, null);
}

/**
 * The disk cannot hold it any more. A caller with its own ticket is answered by its result; one that shares
 * another's ticket must learn whose.
 */
export function dropPending(draft: Draft, pending: Extract<Pending, { kind: 'join' }>): void {
  patch(draft, { pending: null });
  if (pending.ticket !== pending.request.id) replyTo(draft, pending);
}

/** Ends the whole operation for all waiting callers, and enters the phase in which the node stays. */
export function endOperation(
  draft: Draft,
  ending: { readonly code: Code; readonly message?: string | undefined },
  phase: Phase,
  { outing, ...changes }: Changes = {},
): void {
  enterPhase(draft, phase, changes);
  noteFailure(draft, ending);
  finish(draft, () => true, ending.code, ending.message);
  setIntent(draft, phase, outing === undefined ? { op: null } : { op: null, outing });
}

/** What only the result of `--dry-run` has. */
type DryRun = Pick<Result, 'plan' | 'objections'>;

/** Turns a request away: nothing was changed for it. */
export function refuse(
  draft: Draft,
  request: Request,
  at: number,
  code: Code,
  message: string,
  warnings: readonly string[] = [],
  dry: DryRun = {},
): void {
  const refused = request.accepted === undefined;
  settle(draft, request, { ...answer(draft, request, at, code, warnings), message, ...dry }, refused);
}

/** Answers a request for which there is nothing to do, or which only asked what would be done. */
export function answerAtOnce(
  draft: Draft,
  request: Request,
  at: number,
  warnings: readonly string[],
  dry: DryRun = {},
): void {
  settle(draft, request, { ...answer(draft, request, at, 'done', warnings), ...dry }, false);
}

function settle(draft: Draft, request: Request, result: Result, refused: boolean): void {
  emit(draft, { type: 'finish', refused, result });
  // One that has waited for its slot was in the record until now.
  if (request.accepted !== undefined) save(draft);
  onOwnRequestAnswered(draft, request.id, result.message ?? null);
}

/** The result of a request that has no operation, or none any more. @param at when it was asked */
export function answer(
  draft: Draft,
  request: Pick<Request, 'id' | 'kind' | 'reason'>,
  at: number,
  code: Code,
  warnings: readonly string[],
): Result {
  const { policy, state } = draft;
  const sessions = sessionCount(policy, state);
  return {
    ok: code === 'done',
    code,
    operation: request.kind,
    id: request.id,
    node: policy.node,
    phase: state.phase,
    seconds: seconds(draft.at - at),
    reason: request.reason,
    forced: 0,
    closed: { tunnels: 0, requests: 0 },
    balancers: balancersOf(policy, state),
    sessions: { start: sessions, last: sessions, sources: sourcesOf(policy, state) },
    reasserts: reassertsReport(NO_REASSERTS),
    receipt: NO_COUNTERS,
    warnings,
  };
}

function resultOf(draft: Draft, ticket: Ticket, code: Code, message: string | undefined): Result {
  const { policy, state } = draft;
  const op = state.op as Operation;
  const { receipt, warnings } = receiptOf(op, state);
  return {
    ok: code === 'done',
    code,
    operation: ticket.kind,
    id: ticket.id,
    node: policy.node,
    phase: state.phase,
    seconds: seconds(draft.at - op.startedAt),
    reason: op.reason,
    forced: op.forced,
    closed: op.closed,
    balancers: balancersOf(policy, state),
    // A restart reports the sessions left at the stop, not those that arrived afterwards.
    sessions: {
      start: op.sessionsStart,
      last: op.sessionsLast ?? lastSessions(policy, state),
      sources: (isStopSent(op, state) ? op.countedAtStop : null) ?? sourcesOf(policy, state),
    },
    receipt,
    reasserts: reassertsReport(op.reasserts),
    warnings: [...textsOf(op.warnings), ...costOf(policy, op), ...warnings],
    ...(message === undefined ? {} : { message }),
    ...joinedOf(op, ticket),
  };
}

/** From then on the application that was counted may answer no more, or another process in its place. */
function isStopSent({ sessionsLast }: Operation, { app }: State): boolean {
  return app.stopIssued || app.gone || sessionsLast !== null;
}

/** The callers who joined: all of them, or for a caller who joined its own entry. */
function joinedOf({ joined }: Operation, { id }: Ticket): { readonly joined?: readonly Joined[] } {
  const own = joined.filter((one) => one.id === id);
  const shown = own.length > 0 ? own : joined;
  return shown.length === 0 ? {} : { joined: shown };
}

export function sourcesOf({ sources }: Policy, state: State): readonly SourceCount[] {
  return sources.map((name) => {
    const { count = null, error = null } = state.sources[name] ?? {};
    return { name, count, error };
  });
}

export function reassertsReport({ count, slowestMs }: Reasserts): ReassertsReport {
  return { count, slowestSeconds: seconds(slowestMs) };
}

function lastSessions(policy: Policy, state: State): number | null {
  return state.app.gone ? connectionsOf(policy, state) : sessionCount(policy, state);
}

function balancersOf(policy: Policy, state: State): Result['balancers'] {
  return policy.balancers.map(({ name, servers }) => ({
    name,
    servers: servers.map((server) => {
      const balancer = state.balancers[name];
      const view = balancer && balancer.error === null ? viewOf(balancer, server) : undefined;
      return {
        name: server,
        ...stateShown(view),
        connections: doubtAt(policy, state, name) !== null ? null : (view?.connections ?? null),
        queued: view?.queued ?? null,
      };
    }),
  }));
}

/** What people and scripts are shown of a server's state: nothing where HAProxy does not have it. */
export function stateShown(view: ServerView | undefined): {
  readonly admin: Admin | null;
  readonly operational: Operational | null;
} {
  if (!view || view.absent !== undefined) return { admin: null, operational: null };
  return { admin: view.admin, operational: view.operational };
}

/** The counters now, for the deltas at the end. */
export function baselineOf(state: State): Operation['baseline'] {
  const entries = serversOf(state).map(({ balancer, balancerName, name }) => [
    `${balancerName} ${name}`,
    { worker: balancer.worker, counters: viewOf(balancer, name)?.counters ?? null },
  ]);
  return Object.fromEntries(entries) as Operation['baseline'];
}

/**
 * Deltas over the operation. A new worker counts from zero, and a reset makes a counter fall: reported, never
 * hidden.
 */
function receiptOf(op: Operation, state: State): { receipt: Receipt; warnings: string[] } {
  const warnings: string[] = [];
  const deltas = serversOf(state).map(({ balancer, balancerName, name }): Counters | null => {
    const before = op.baseline[`${balancerName} ${name}`];
    const now = viewOf(balancer, name)?.counters ?? null;
    if (!before?.counters || !now) return null;
    const delta = minus(now, before.counters);
    if (sameWorker(before.worker, balancer.worker) && Object.values(delta).every((value) => value >= 0))
      return delta;
    warnings.push(
      `${balancerName}: the counters of ${name} began anew during the operation; the receipt has no numbers`,
    );
    return null;
  });
  return { receipt: total(deltas), warnings };
}

function seconds(ms: number): number {
  return Math.round(ms) / 1000;
}
