import type { Policy } from '../../../agent/lifecycle/model/policy.ts';
import { isQueuing, type Connection, type SimLb } from './balancer.ts';
import type { Knowledge } from './knowledge.ts';
import type { User } from './people.ts';
import type { SimNode, World } from './world.ts';

/**
 * The users who are there and can be known: older than the last question whose answer has come, or hidden where
 * that is known.
 */
export interface Known {
  readonly users: readonly User[];
  /** In sight: of the present worker, or of any where a master shows them, or by the kernel. */
  readonly seen: readonly Connection[];
  /** On old workers that nothing shows: "cannot be seen" is no "are not there". */
  readonly hidden: readonly Connection[];
}

export function knownOf(world: World, node: SimNode, known: Knowledge): Known {
  const { policy, index } = node;
  const users = countsUsers(policy)
    ? world.people.of(index).filter(({ since }) => since < known.usersCountedAt)
    : [];
  const connections = world.lbs
    .flatMap((lb) => [...lb.connections])
    .filter(({ server, lb }) => server.node === index && isListed(policy, lb, server.name))
    .filter((one) => isOld(one, known));
  const inSight = (one: Connection): boolean =>
    one.lb.hasMaster || one.worker === one.lb.generation || isCounted(one, known);
  return {
    users,
    seen: connections.filter(inSight),
    hidden: connections.filter((one) => !inSight(one)),
  };
}

function isOld(one: Connection, known: Knowledge): boolean {
  if (isCounted(one, known)) return true;
  return !one.lb.polls && one.since < (known.looks.get(one.lb.name)?.startedAt ?? -Infinity);
}

/** By the kernel, to which a request in HAProxy's queue is no connection to the application yet. */
function isCounted(one: Connection, { kernelCountedAt }: Knowledge): boolean {
  return one.since < kernelCountedAt && !isQueuing(one);
}

function countsUsers({ sources, userSources }: Policy): boolean {
  return sources.some((name) => userSources.includes(name));
}

export function isListed(policy: Policy, { name }: SimLb, server: string): boolean {
  return policy.balancers.some((one) => one.name === name && one.servers.includes(server));
}
