import type { ServerView } from '../../../agent/lifecycle/model/observation.ts';
import type { LbServer } from './balancer.ts';
import type { SimNode } from './world.ts';

/**
 * What `foreignDrain: follow` excuses from the fence, and nothing else: a DRAIN that another hand has set there, as the
 * last look showed it. Zero, quiet and I2 hold for it as for all others, and the result names it.
 */
export function isFollowed(
  { policy }: SimNode,
  { by }: LbServer,
  view: Pick<ServerView, 'admin' | 'over'>,
): boolean {
  const forced = view.over?.forced ?? view.admin;
  return policy.foreignDrain === 'follow' && by === 'operator' && forced === 'drain';
}
