import type { ServerView } from '../../../agent/lifecycle/model/observation.ts';
import type { LbServer } from './balancer.ts';
import type { SimNode } from './world.ts';

/**
 * What `foreignDrain: follow` excuses from the fence, and nothing else: a DRAIN that another hand has set there, as the
 * last look showed it. Zero, quiet and I2 hold for it as for all others, and the result names it.
 */
export function isFollowed(
  { policy }: SimNode,
  { by, since }: LbServer,
  view: Pick<ServerView, 'admin' | 'over'>,
  lookedAt: number,
): boolean {
  const forced = view.over?.forced ?? view.admin;
  // A reload since that look has removed the operator's DRAIN: no look has shown that yet.
  const wasOperators = by === 'operator' || (by === 'none' && since > lookedAt);
  return policy.foreignDrain === 'follow' && wasOperators && forced === 'drain';
}
