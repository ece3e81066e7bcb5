import type { Status } from '../../lifecycle/operation.ts';
import { isOut as isOutPhase, PHASES } from '../../lifecycle/phases.ts';

/** What a monitor is told: take it, send it nobody new, leave it. */
export type HealthAnswer = 'up' | 'drain' | 'down';

/** As much of the node's status as the answer depends on; `health` is `up` where there is no probe to say. */
export type NodeState = Pick<Status, 'phase' | 'health' | 'balancers'>;

/**
 * What the node is by itself, whoever writes its servers' state: what is told to monitors that are no writer of ours.
 * They are never told DRAIN, for theirs may take any 404 for dead, and never DOWN while a user may be there.
 * @returns null while it is not known: right after a start, before the first looks and the first verdict
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

/** Something is wanted of every balancer, so that one to whom nothing was said yet is told nothing. */
export function isOut({ phase }: NodeState): boolean {
  return isOutPhase(phase);
}
