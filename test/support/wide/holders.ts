import type { Effect } from '../../../agent/lifecycle/model/effect.ts';
import type { HolderServer } from '../../../agent/lifecycle/model/event.ts';
import { shown } from './balancer.ts';
import type { Happening, SimNode, World } from './world.ts';

/** What a node does about a holder whose sidecar does not live. */

/** One balancer after the other; the first that does not answer makes all of it unknown. */
export function readHolder(
  world: World,
  node: SimNode,
  { id, places }: Extract<Effect, { type: 'read-holder' }>,
  tell: (happening: Happening) => void,
): void {
  const startedAt = world.time.now;
  const read = (at: number, servers: readonly HolderServer[]): void => {
    const place = places[at];
    if (place === undefined) return tell({ type: 'holder-read', id, servers, error: null, startedAt });
    const lb = world.lb(place.balancer);
    lb.line.exchange(
      node.index,
      () => place.servers.map((name) => rowOf(lb, name)),
      (rows) => read(at + 1, [...servers, ...rows]),
      (error) => tell({ type: 'holder-read', id, servers: null, error, startedAt }),
    );
  };
  read(0, []);
}

function rowOf(lb: ReturnType<World['lb']>, name: string): HolderServer {
  const server = lb.server(name);
  return { balancer: lb.name, name, admin: shown(server).admin, operational: server.up ? 'up' : 'down' };
}

/** A look may be so old when what rests on it is done. */
const READ_MS = 2_500;

/** The lock compares. What is freed has not been out for longer than the questions about it were on their way. */
export function freeHolder(
  world: World,
  { holder }: Extract<Effect, { type: 'free-holder' }>,
  tell: (happening: Happening) => void,
): void {
  const { time, lock, verdicts, freedAt, coverage } = world;
  time.after(time.between(0.1, lock.mostMs), () => {
    const isFreed = lock.freeRead(holder);
    const of = world.nodes.find(({ policy }) => policy.node === holder.claim.node);
    if (isFreed && of !== undefined) {
      freedAt.set(of.index, time.now);
      coverage.meet('freed by a waiter');
      for (const lb of world.lbs)
        for (const { node, by, admin, since } of lb.servers)
          if (node === of.index && by === 'us' && admin !== 'ready' && time.now - since > READ_MS)
            verdicts.broken('freed while out', [of.policy.node, lb.name, admin]);
    }
    time.after(time.between(0.1, lock.mostMs), () =>
      tell({ type: 'holder-freed', holder, isFreed, error: lock.down }),
    );
  });
}
