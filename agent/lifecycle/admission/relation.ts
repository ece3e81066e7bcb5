import { forcedOf, viewOf } from '../observed/counts.ts';
import type { OperationKind, Phase } from '../model/api.ts';
import { isInRotation, isOutward } from '../model/phase.ts';
import { type Candidate, comesBack, type Operation } from '../model/operation.ts';
import type { ServerView } from '../model/observation.ts';
import type { State } from '../model/state.ts';

const RANK: Record<OperationKind, number> = {
  ready: 0,
  drain: 1,
  stop: 2,
  restart: 3,
  reboot: 4,
  hold: 5,
  release: 5,
};

/** What a request is to the operation that runs. */
export type Relation = 'same' | 'part' | 'passed' | 'stronger' | 'undo' | 'then-start' | 'busy';

export function relate(op: Operation, phase: Phase, kind: OperationKind): Relation {
  if (op.outcome) return kind === 'ready' ? 'undo' : 'busy';
  const goingOut = isOutward(phase);
  if (kind === op.kind) return 'same';
  if ([kind, op.kind].some((one) => one === 'hold' || one === 'release')) return 'busy';
  if (kind === 'ready')
    return goingOut ? 'undo' : phase === 'stopping' ? (op.kind === 'stop' ? 'then-start' : 'part') : 'part';
  if (op.kind === 'ready') return 'busy';
  if (RANK[kind] > RANK[op.kind]) return goingOut || phase === 'stopping' ? 'stronger' : 'busy';
  if (goingOut) return 'part';
  if (phase === 'stopping') return kind === 'drain' ? 'passed' : 'part';
  if (phase === 'stopped') return comesBack(kind) ? 'part' : 'passed';
  return 'busy';
}

/**
 * What a dry run says of a request beside a running operation, as words after `would`.
 * @param running the kind of the operation that runs
 */
export function planBeside(relation: Exclude<Relation, 'busy'>, running: OperationKind): string {
  switch (relation) {
    case 'same':
      return `join the running ${running}`;
    case 'part':
      return `wait for its part of the running ${running}`;
    case 'then-start':
      return `wait for the end of the running ${running}, then start the application`;
    case 'passed':
      return `be done at once: the running ${running} is past it`;
    case 'stronger':
      return `take over the running ${running}`;
    case 'undo':
      return `cancel the running ${running} and put back what was found`;
    default:
      return relation satisfies never;
  }
}

/** What joins a running operation, and does nothing else to it. */
const JOINING: readonly Relation[] = ['same', 'part', 'then-start'];

/** The node, or a server, is no longer in the state for which the request was checked: it is checked anew. */
export function isOutdated(state: State, candidate: Candidate): boolean {
  const { surveys, unasked, request, joins } = candidate;
  const { op, phase } = state;
  const relation = op && relate(op, phase, request.kind);
  if (joins !== null) return op?.id !== joins || relation === null || !JOINING.includes(relation);
  if (relation !== null) return relation !== 'stronger';
  const surveyed = Object.keys({ ...surveys, ...unasked }).length > 0;
  return (isInRotation(state.phase) !== surveyed && !request.isShutdown) || isMovedSince(state, candidate);
}

/** An operator's command (or ours, on the way back) has changed a server since the survey: its found state is another. */
function isMovedSince({ balancers }: State, { surveys }: Candidate): boolean {
  return surveyedServers(surveys).some(([name, surveyed]) => {
    const balancer = balancers[name];
    const view = balancer && viewOf(balancer, surveyed.name);
    return view !== undefined && forcedOf(view) !== forcedOf(surveyed);
  });
}

/**
 * Nothing is wanted of a server any more, and our READY is on its way to it or was answered since the last look: what the survey
 * saw is what that replaces, and the request is surveyed anew. The next look ends it, so it is asked before an operation is
 * proposed and never of a proposal, whose record is on disk or not.
 */
export function isCrossedByOurs({ balancers }: State, { surveys }: Candidate): boolean {
  return surveyedServers(surveys).some(([name, surveyed]) => {
    const balancer = balancers[name];
    const own = balancer?.servers[surveyed.name];
    if (balancer === undefined || own === undefined || own.found !== null) return false;
    return own.write.underWay !== null || own.write.answeredAt > balancer.startedAt;
  });
}

function surveyedServers(surveys: Candidate['surveys']): [string, ServerView][] {
  return Object.entries(surveys).flatMap(([name, { servers }]) =>
    servers.map((surveyed): [string, ServerView] => [name, surveyed]),
  );
}
