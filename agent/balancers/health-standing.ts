import type { Phase, Status } from '../lifecycle/operation.ts';

/** What a monitor is told: take it, send it nobody new, leave it. */
export type Standing = 'up' | 'drain' | 'down';

/** As much of the node's status as the answer depends on; `health` is `up` where there is no probe to say. */
export type NodeState = Pick<Status, 'phase' | 'health' | 'balancers'>;

/**
 * What the node is by itself, whoever writes its servers' state: what is told to monitors that are no writer of ours.
 * They are never told DRAIN, for theirs may take any 404 for dead, and never DOWN while a user may be there.
 * @returns null while it is not known: right after a start, before the first looks and the first verdict
 */
export function ownStanding(node: NodeState): Standing | null {
  switch (node.phase) {
    case 'starting':
    case 'recovering':
      return null;
    case 'draining':
    case 'settling':
    case 'fencing':
      return 'up';
    case 'drained':
      return isFenced(node) ? 'down' : 'up';
    case 'stopping':
    case 'stopped':
    case 'warming':
      return 'down';
    case 'serving':
    case 'unhealthy':
    case 'returning':
    case 'failed':
      return node.health === 'unknown' ? null : node.health;
    default:
      return node.phase satisfies never;
  }
}

/** `--no-fence` leaves it in DRAIN: users still get in by an old cookie. */
function isFenced({ balancers }: NodeState): boolean {
  return balancers.every(({ servers }) => servers.every(({ admin }) => admin === null || admin === 'maint'));
}

/** Phases in which something is wanted of every balancer, so that one to whom nothing was said yet is told nothing. */
const OUT: readonly Phase[] = [
  'draining',
  'settling',
  'fencing',
  'drained',
  'stopping',
  'stopped',
  'warming',
];

export function isOut({ phase }: NodeState): boolean {
  return OUT.includes(phase);
}
