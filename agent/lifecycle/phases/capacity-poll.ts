import { isIgnored } from '../observed/counts.ts';
import type { OthersCount } from '../observed/other-servers.ts';
import { type CapacityLevel, NEW_CAPACITY, type Outing } from '../model/outing.ts';
import type { Policy } from '../model/policy.ts';
import type { State } from '../model/state.ts';
import { askSurvey } from '../observed/surroundings.ts';
import { emit, patchOuting, serversOf, type Draft } from '../step-draft.ts';

/**
 * What the capacity guard needs: one poll after DRAIN was written, and the names of the siblings where too few are
 * usable.
 */

/** A poll begun after our write was answered showed every server of ours in its desired state. */
export function isReadBack(policy: Policy, state: State): boolean {
  const counting = policy.balancers.filter(({ counts }) => counts).map(({ name }) => name);
  return serversOf(state).every(
    ({ balancerName, balancer, server, target }) =>
      target === null ||
      server.foreign !== null ||
      !counting.includes(balancerName) ||
      isIgnored(policy, state, balancer) ||
      (server.inSync && balancer.startedAt >= server.write.answeredAt),
  );
}

/** Two nodes may both be in DRAIN until this poll, so it is made at once. */
export function lookOnce(draft: Draft, { capacity }: Outing): 'wait' {
  const { policy, state } = draft;
  const isSettled = serversOf(state).every(
    ({ server, target, balancer }) =>
      target === null || server.foreign !== null || server.inSync || balancer.error !== null,
  );
  if (!isSettled || capacity.lookedFor === state.epoch) return 'wait';
  patchCapacity(draft, { lookedFor: state.epoch });
  for (const { name, counts } of policy.balancers) if (counts) emit(draft, { type: 'poll', balancer: name });
  return 'wait';
}

/** At most one survey at a time for each balancer, and none whose answer would be no newer than the last one. */
export function askSiblings(draft: Draft, short: readonly OthersCount[]): 'wait' {
  const { op, balancers, outing } = draft.state;
  for (const balancerName of new Set(short.map((one) => one.at))) {
    const { asked, siblings } = outing?.capacity ?? NEW_CAPACITY;
    const isNews = (siblings[balancerName]?.startedAt ?? -1) < (balancers[balancerName]?.startedAt ?? 0);
    if (asked.includes(balancerName) || !isNews) continue;
    patchCapacity(draft, { asked: [...(draft.state.outing?.capacity.asked ?? []), balancerName] });
    askSurvey(draft, op?.id ?? 'capacity', balancerName, 'capacity');
  }
  return 'wait';
}

/** Changes what the guard has recorded for this outing. */
export function patchCapacity(draft: Draft, changes: Partial<CapacityLevel>): void {
  const { outing } = draft.state;
  if (outing) patchOuting(draft, { capacity: { ...outing.capacity, ...changes } });
}
