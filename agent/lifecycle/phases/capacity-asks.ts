import { isIgnored } from '../observed/counts.ts';
import type { OthersCount } from '../observed/other-servers.ts';
import { type CapacityLevel, NEW_CAPACITY, type Outing } from '../model/outing.ts';
import type { Policy } from '../model/policy.ts';
import type { State } from '../model/state.ts';
import { askSurvey } from '../observed/surroundings.ts';
import { emit, patchOuting, serversOf, type Turn } from '../draft.ts';

/**
 * What the capacity guard needs: one poll after DRAIN was written, and the names of the siblings where too few are
 * usable.
 */

/** A poll begun after our write was answered showed every server of ours in its desired state. */
export function isReadBack(policy: Policy, state: State): boolean {
  const counting = policy.balancers.filter(({ counts }) => counts).map(({ name }) => name);
  return serversOf(state).every(
    ({ at, balancer, server, want }) =>
      want === null ||
      server.held !== null ||
      !counting.includes(at) ||
      isIgnored(policy, state, balancer) ||
      (server.confirmed && balancer.begun >= server.write.answeredAt),
  );
}

/** Two nodes may both be in DRAIN until this poll, so it is made at once. */
export function lookOnce(turn: Turn, { capacity }: Outing): 'wait' {
  const { policy, state } = turn;
  const isSaid = serversOf(state).every(
    ({ server, want, balancer }) =>
      want === null || server.held !== null || server.confirmed || balancer.error !== null,
  );
  if (!isSaid || capacity.lookedFor === state.epoch) return 'wait';
  patchCapacity(turn, { lookedFor: state.epoch });
  for (const { name, counts } of policy.balancers) if (counts) emit(turn, { type: 'look', balancer: name });
  return 'wait';
}

/** At most one survey at a time for each balancer, and none whose answer would be no newer than the last one. */
export function askSiblings(turn: Turn, short: readonly OthersCount[]): 'wait' {
  const { op, balancers, outing } = turn.state;
  for (const at of new Set(short.map((one) => one.at))) {
    const { asked, siblings } = outing?.capacity ?? NEW_CAPACITY;
    const isNews = (siblings[at]?.begun ?? -1) < (balancers[at]?.begun ?? 0);
    if (asked.includes(at) || !isNews) continue;
    patchCapacity(turn, { asked: [...(turn.state.outing?.capacity.asked ?? []), at] });
    askSurvey(turn, op?.id ?? 'capacity', at, 'capacity');
  }
  return 'wait';
}

/** Changes what the guard has recorded for this outing. */
export function patchCapacity(turn: Turn, changes: Partial<CapacityLevel>): void {
  const { outing } = turn.state;
  if (outing) patchOuting(turn, { capacity: { ...outing.capacity, ...changes } });
}
