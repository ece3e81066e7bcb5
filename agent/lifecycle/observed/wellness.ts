import type { Policy } from '../model/policy.ts';
import type { State } from '../model/state.ts';
import { type ServerPlace, serversOf } from '../step-draft.ts';
import { forcedOf, isIgnored, viewOf } from './counts.ts';
import { isHealthy, notHealthy } from './health.ts';

/**
 * How a node that has come back is: `well` by its probe and UP in READY at every balancer that shows it; `failed` only by what
 * was seen; `unknown` where that is not known. A server that an operator or another program keeps out is left out, as
 * long as there is another server. The text for `unknown` stays the same from poll to poll.
 */
export type Wellness = { readonly is: 'well' } | { readonly is: 'failed' | 'unknown'; readonly why: string };

export function wellness({ policy, state }: { readonly policy: Policy; readonly state: State }): Wellness {
  const { app, health } = state;
  if (app.gone) return { is: 'failed', why: 'its application has ended' };
  if (policy.hasProbe && health === 'down') return { is: 'failed', why: notHealthy({ state }) };
  const shown = serversOf(state).filter(({ balancer, balancerName }) => {
    const counts = policy.balancers.find(({ name }) => name === balancerName)?.counts === true;
    return counts && !isIgnored(policy, state, balancer);
  });
  const own = shown.filter((placed) => !isHeld(placed));
  const down = own.find((placed) => isOpen(placed) && operationalOf(placed) === 'down');
  if (down) return { is: 'failed', why: `${down.balancerName}: ${down.name} is DOWN${checkOf(down)}` };
  if (!isHealthy({ policy, state })) return { is: 'unknown', why: notHealthy({ state }) };
  const unseen =
    own.length === 0 ? shown[0] : own.find((placed) => !isOpen(placed) || operationalOf(placed) !== 'up');
  return unseen ? { is: 'unknown', why: notSeen(unseen) } : { is: 'well' };
}

/** By its owner's command, as the last look showed it; nothing of ours is there any more. */
function isHeld({ balancer, name }: ServerPlace): boolean {
  const view = viewOf(balancer, name);
  return view !== undefined && view.absent === undefined && forcedOf(view) !== 'ready';
}

function notSeen({ balancer, balancerName, name }: ServerPlace): string {
  const view = viewOf(balancer, name);
  if (balancer.error !== null || view === undefined)
    return `${balancerName}: it cannot be asked about ${name}`;
  if (view.absent !== undefined) return `${balancerName}: ${name} does not exist there`;
  if (view.admin !== 'ready') return `${balancerName}: ${name} is in ${view.admin.toUpperCase()}`;
  return `${balancerName}: ${name} is not seen UP`;
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
