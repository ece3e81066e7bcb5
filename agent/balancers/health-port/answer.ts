import type { Status } from '../../lifecycle/model/api.ts';
import { isOut as isOutPhase, PHASES } from '../../lifecycle/model/phase.ts';

/** The answer to a monitor: keep the node, send it no new users, remove it. */
export type HealthAnswer = 'up' | 'drain' | 'down';

/** As much of the node's status as the answer depends on; `health` is `up` without a probe. */
export type NodeState = Pick<Status, 'phase' | 'health' | 'balancers'>;

/**
 * The node's own state, whatever writes its servers' state: the answer to monitors that are no writer of ours. They
 * never get DRAIN, since such a monitor may take any 404 for dead, and never DOWN while a user may be connected.
 * @returns null while it is unknown: right after a start, before the first polls and the first verdict
 */
export function defaultAnswer(node: NodeState): HealthAnswer | null {
  const { monitors } = PHASES[node.phase];
  switch (monitors) {
    case 'nothing':
      return null;
    case 'up':
    case 'down':
      return monitors;
    case 'by-fence':
      return isFenced(node) ? 'down' : 'up';
    case 'by-health':
      return byHealth(node);
    // A stop or a start that did not work leaves the node behind its fence, if it had one.
    case 'by-both':
      return isFenced(node) ? 'down' : byHealth(node);
    default:
      return monitors satisfies never;
  }
}

function byHealth({ health }: NodeState): HealthAnswer | null {
  return health === 'unknown' ? null : health;
}

/** `--no-fence` leaves it in DRAIN: users still get in by an old cookie. */
function isFenced({ balancers }: NodeState): boolean {
  return balancers.every(({ servers }) => servers.every(({ admin }) => admin === null || admin === 'maint'));
}

/** Every balancer has a desired state, so one that has not been written yet gets no answer. */
export function isOut({ phase }: NodeState): boolean {
  return isOutPhase(phase);
}
