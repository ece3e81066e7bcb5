import type { Policy } from '../model/policy.ts';
import type { State } from '../model/state.ts';
import { type ServerPlace, serversOf } from '../draft.ts';
import { isIgnored, viewOf } from './counts.ts';
import { isHealthy, notHealthy } from './health.ts';

/**
 * How a node that has come back is: `well` by its probe and UP in READY at every balancer that shows it; `failed` only by what
 * was seen; `unknown` where it cannot be told, or where another hand keeps it out.
 */
export type Wellness = { readonly is: 'well' | 'unknown' } | { readonly is: 'failed'; readonly why: string };

export function wellness({ policy, state }: { readonly policy: Policy; readonly state: State }): Wellness {
  const { app, health } = state;
  if (app.gone) return { is: 'failed', why: 'its application has ended' };
  if (policy.hasProbe && health === 'down') return { is: 'failed', why: notHealthy({ state }) };
  const shown = serversOf(state).filter(({ balancer, balancerName }) => {
    const counts = policy.balancers.find(({ name }) => name === balancerName)?.counts === true;
    return counts && !isIgnored(policy, state, balancer);
  });
  const down = shown.find((placed) => isOpen(placed) && operationalOf(placed) === 'down');
  if (down) return { is: 'failed', why: `${down.balancerName}: ${down.name} is DOWN${checkOf(down)}` };
  const isUp = shown.every((placed) => isOpen(placed) && operationalOf(placed) === 'up');
  return { is: isUp && isHealthy({ policy, state }) ? 'well' : 'unknown' };
}

/** The balancer answers, and nothing but its checks keeps users away from it. */
function isOpen({ balancer, name }: ServerPlace): boolean {
  const view = viewOf(balancer, name);
  return balancer.error === null && view?.admin === 'ready' && view.absent === undefined;
}

function operationalOf({ balancer, name }: ServerPlace): string | undefined {
  return viewOf(balancer, name)?.operational;
}

function checkOf({ balancer, name }: ServerPlace): string {
  const { checkFailed } = viewOf(balancer, name) ?? {};
  return checkFailed === undefined ? '' : ` (${checkFailed})`;
}
