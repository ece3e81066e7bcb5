import { isIgnored } from './count.ts';
import type { OthersCount } from './others.ts';
import { type CapacityLevel, NEW_CAPACITY, type Outing } from './outing.ts';
import type { Policy } from './policy.ts';
import type { State } from './state.ts';
import { askSurvey } from './surroundings.ts';
import { emit, patchOuting, serversOf, type Turn } from './turn.ts';

/** What the capacity guard asks: a look once DRAIN was said, and who the siblings are where too few are usable. */

/** Every server of ours was seen as we want it, by a look that was begun after our word was answered. */
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

/** Both may stand in DRAIN until this look, so it is not left to the pace. */
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

/** One question at a time to each balancer, and none that would only hear again what the last one heard. */
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

/** Changes what the guard knows of this outing. */
export function patchCapacity(turn: Turn, changes: Partial<CapacityLevel>): void {
  const { outing } = turn.state;
  if (outing) patchOuting(turn, { capacity: { ...outing.capacity, ...changes } });
}
