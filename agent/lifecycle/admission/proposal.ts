import { desired } from '../model/desired.ts';
import { install } from './begin.ts';
import { union } from '../sync/ownership.ts';
import { recordOf, type StateRecord } from '../model/record.ts';
import { isOutdated } from './relation.ts';
import { answerAtOnce, replyTo } from '../report/result.ts';
import type { Candidate, Operation, Pending } from '../model/operation.ts';
import type { State } from '../model/state.ts';
import { isDurable, mapServers, patch, save, type Turn } from '../draft.ts';
import { textsOf } from '../model/warnings.ts';

/**
 * A request that was admitted is a proposal until the disk holds the record that the node will have with it; only then
 * is it installed. Nothing of it is in the state before, so nothing has to be taken back when the disk refuses.
 */

type Proposal = Extract<Pending, { kind: 'install' }>;

/** Sends the record to disk. What changes nothing (`ready` of a node that is) is answered at once. */
export function propose(turn: Turn, candidate: Candidate, op: Operation): void {
  const { request } = candidate;
  const proposal: Proposal = { kind: 'install', request, at: turn.at, candidate, op, record: null };
  const after = withIt(turn, proposal);
  if (after.intentSave === turn.state.intentSave)
    return answerAtOnce(turn, request, candidate.at, textsOf(op.warnings));
  patch(turn, { pending: proposal });
  save(turn);
}

/** The state as it will be: the proposal is installed as of the time at which it was made. */
function withIt({ policy, state }: Turn, proposal: Proposal): State {
  const trial: Turn = { policy, at: proposal.at, state, effects: [] };
  install(trial, proposal);
  return trial.state;
}

/**
 * What goes to disk now. While a request is proposed it is always the record with it: a newer one must not lose it,
 * unless it is to be judged anew.
 */
export function recordNow(turn: Turn): StateRecord {
  const { pending } = turn.state;
  if (pending?.kind !== 'install' || isOutdated(turn.state, pending.candidate))
    return recordOf(turn.state, turn.at);
  const record = recordOf(withIt({ ...turn, state: withWanted(turn) }, pending), turn.at);
  patch(turn, { pending: { ...pending, record } });
  return record;
}

/** The desired state may be written before the proposal is installed: after a crash it must not count as foreign. */
function withWanted(turn: Turn): State {
  const trial: Turn = { ...turn };
  mapServers(trial, (server) => {
    const want = desired(turn.state, server);
    if (want === null || server.held !== null) return server;
    return { ...server, ours: union(server.ours, [want]), said: union(server.said, [want]) };
  });
  return trial.state;
}

/** The disk holds what was meant for it: the request that waits for that is carried out, or accepted. */
export function acknowledge(turn: Turn): void {
  const { pending, saved } = turn.state;
  if (pending?.kind === 'join' && isDurable(turn.state)) {
    patch(turn, { pending: null });
    replyTo(turn, pending);
  }
  if (pending?.kind === 'install' && pending.record !== null && saved >= turn.state.save)
    carryOut(turn, pending);
}

/** Installs it. The world may have moved since: then the record is written once more before anything is done. */
export function carryOut(turn: Turn, proposal: Proposal): void {
  const { request, candidate, op, record } = proposal;
  const { save: last, saved } = turn.state;
  patch(turn, { pending: null });
  if (isOutdated(turn.state, candidate)) {
    patch(turn, { queue: [request, ...turn.state.queue] });
    return save(turn);
  }
  const then: Turn = { ...turn, at: proposal.at, state: turn.state };
  const ticket = install(then, proposal);
  // Answers asked for before this moment do not count.
  const since = then.state.phase === turn.state.phase ? then.state.since : turn.at;
  const epochAt = then.state.epoch === turn.state.epoch ? turn.state.epochAt : turn.at;
  turn.state = { ...then.state, now: turn.at, epochAt, since };
  if (record !== null && isSame(recordOf(turn.state, record.savedAt), record))
    patch(turn, { save: last, intentSave: Math.min(turn.state.intentSave, saved) });
  if (ticket === null) answerAtOnce(turn, request, candidate.at, textsOf(op.warnings));
  else replyTo(turn, { request, ticket });
}

function isSame(one: StateRecord, other: StateRecord): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}
