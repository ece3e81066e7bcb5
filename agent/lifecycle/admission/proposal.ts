import { desired } from '../model/desired.ts';
import { beginOperation } from './begin.ts';
import { union } from '../sync/ownership.ts';
import type { StateRecord } from '../model/record.ts';
import { recordOf } from '../model/write-record.ts';
import { isOutdated } from './relation.ts';
import { answerAtOnce, replyTo } from '../report/result.ts';
import type { Candidate, Operation } from '../model/operation.ts';
import type { Pending } from '../model/pending.ts';
import type { State } from '../model/state.ts';
import { isDurable, mapServers, patch, save, type Draft } from '../step-draft.ts';
import { textsOf } from '../model/warnings.ts';

/**
 * A request that was admitted is a proposal until the disk holds the record that the node will have with it; only then
 * is it installed. Nothing of it is in the state before, so nothing has to be taken back when the disk refuses.
 */

type Proposal = Extract<Pending, { kind: 'install' }>;

/** Sends the record to disk. A request that changes nothing (`ready` of a node in service) is answered at once. */
export function propose(draft: Draft, candidate: Candidate, op: Operation): void {
  const { request } = candidate;
  const proposal: Proposal = { kind: 'install', request, at: draft.at, candidate, op, record: null };
  const after = withIt(draft, proposal);
  if (after.intentSave === draft.state.intentSave)
    return answerAtOnce(draft, request, candidate.at, textsOf(op.warnings));
  patch(draft, { pending: proposal });
  save(draft);
}

/** The state as it will be: the proposal is installed as of the time at which it was made. */
function withIt({ policy, state }: Draft, proposal: Proposal): State {
  const trial: Draft = { policy, at: proposal.at, state, effects: [] };
  beginOperation(trial, proposal);
  return trial.state;
}

/**
 * What goes to disk now. While a request is proposed it is always the record with it: a newer one must not lose it,
 * unless it is to be judged anew.
 */
export function recordNow(draft: Draft): StateRecord {
  const { pending } = draft.state;
  if (pending?.kind !== 'install' || isOutdated(draft.state, pending.candidate))
    return recordOf(draft.state, draft.at, draft.policy);
  const record = recordOf(withIt({ ...draft, state: withWanted(draft) }, pending), draft.at, draft.policy);
  patch(draft, { pending: { ...pending, record } });
  return record;
}

/** The desired state may be written before the proposal is installed: after a crash it must not count as foreign. */
function withWanted(draft: Draft): State {
  const trial: Draft = { ...draft };
  mapServers(trial, (server) => {
    const target = desired(draft.state, server);
    if (target === null || server.foreign !== null) return server;
    return {
      ...server,
      possiblyOurs: union(server.possiblyOurs, [target]),
      everWritten: union(server.everWritten, [target]),
    };
  });
  return trial.state;
}

/** The disk holds what was meant for it: the request that waits for that is carried out, or accepted. */
export function acknowledge(draft: Draft): void {
  const { pending, saved } = draft.state;
  if (pending?.kind === 'join' && isDurable(draft.state)) {
    patch(draft, { pending: null });
    replyTo(draft, pending);
  }
  if (pending?.kind === 'install' && pending.record !== null && saved >= draft.state.save)
    carryOut(draft, pending);
}

/** Installs it. Where the node has changed since, the record is written once more before anything is done. */
export function carryOut(draft: Draft, proposal: Proposal): void {
  const { request, candidate, op, record } = proposal;
  const { save: last, saved } = draft.state;
  patch(draft, { pending: null });
  if (isOutdated(draft.state, candidate)) {
    patch(draft, { queue: [request, ...draft.state.queue] });
    return save(draft);
  }
  const then: Draft = { ...draft, at: proposal.at, state: draft.state };
  const ticket = beginOperation(then, proposal);
  // Answers asked for before this moment do not count.
  const since = then.state.phase === draft.state.phase ? then.state.since : draft.at;
  const epochStartedAt = then.state.epoch === draft.state.epoch ? draft.state.epochStartedAt : draft.at;
  draft.state = { ...then.state, now: draft.at, epochStartedAt, since };
  if (record !== null && isSame(recordOf(draft.state, record.savedAt, draft.policy), record))
    patch(draft, { save: last, intentSave: Math.min(draft.state.intentSave, saved) });
  if (ticket === null) answerAtOnce(draft, request, candidate.at, textsOf(op.warnings));
  else replyTo(draft, { request, ticket });
}

function isSame(one: StateRecord, other: StateRecord): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}
