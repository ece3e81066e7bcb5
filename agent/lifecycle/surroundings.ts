import { isOutward } from './phases.ts';
import type { BalancerState, State } from './state.ts';
import { emit, patchBalancer, type Turn } from './turn.ts';
import type { Survey } from './view.ts';

/** What is known of the servers around ours, by surveys: no poll asks for it. */

/** Keeps what a survey told of the servers around ours: for `status`, and for a stop of a node that is out already. */
export function remember(turn: Turn, balancer: string, { facts, relatives }: Survey): void {
  if (relatives !== null) patchBalancer(turn, balancer, { around: { at: turn.at, facts, relatives } });
}

/** The id of a survey that no operation asks for. */
const NO_OPERATION = 'reload';

/**
 * A reload may have brought servers of this application that are not listed: asked once, for the operation on its way
 * out, and only when what we want stands there again. DRAIN after a reload waits for no question; the fence does. Of a
 * node that is out, with an application that may be stopped later, it is asked too: that stop is then refused.
 */
export function surveyReloaded(turn: Turn): void {
  const { op, phase, balancers } = turn.state;
  for (const { name, counts } of turn.policy.balancers) {
    const balancer = balancers[name];
    if (!balancer?.reloaded) continue;
    const id = op?.id ?? NO_OPERATION;
    if (!counts || !isOutward(phase)) patchBalancer(turn, name, { reloaded: null });
    else if (balancer.reloaded.asked !== id && isSettled(balancer, turn.state.epochAt)) {
      patchBalancer(turn, name, { reloaded: { asked: id } });
      emit(turn, { type: 'survey', id, balancer: name, scope: 'reload' });
    }
  }
}

/** A balancer that answers has still to tell what a reload brought. */
export function isReloadOpen({ balancers }: State): boolean {
  return Object.values(balancers).some(({ reloaded, error }) => reloaded !== null && error === null);
}

/** Was this asked for no operation? An operation that began meanwhile asks itself. */
export function isForNone(turn: Turn, id: string): boolean {
  return id === NO_OPERATION && turn.state.op === null;
}

/** The question was answered, or could not be: either way it is told. */
export function onReloadTold(turn: Turn, balancer: string): void {
  patchBalancer(turn, balancer, { reloaded: null });
}

/** As of a poll that tells: one that began before our last write was answered says nothing of what stands there now. */
function isSettled({ servers, begun }: BalancerState, epochAt: number): boolean {
  return Object.values(servers).every(
    ({ found, held, isLost, confirmed, write }) =>
      found === null ||
      isLost ||
      held !== null ||
      (confirmed && begun >= epochAt && begun >= write.answeredAt),
  );
}
