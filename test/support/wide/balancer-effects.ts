import type { Closed, ReadBackView } from '../../../agent/lifecycle/model/observation.ts';
import type { SimLb } from './balancer.ts';
import { peek } from './peek.ts';
import type { EffectOf, Issued, Oracle, SimNode, TellNode, World } from './world.ts';

/** The effects that a node has at its balancers, over its line to each. */
export interface BalancerEffects {
  survey(effect: EffectOf<'survey'>, tell: TellNode): void;
  say(effect: EffectOf<'set-server'>, tell: TellNode, issued: Issued): void;
  weigh(effect: EffectOf<'set-weight'>, tell: TellNode, issued: Issued): void;
  close(effect: EffectOf<'close-connections'>, tell: TellNode): void;
}

export function createBalancerEffects(world: World, node: SimNode, oracle: () => Oracle): BalancerEffects {
  const { time, verdicts } = world;

  function survey({ id, balancer, scope }: EffectOf<'survey'>, tell: TellNode): void {
    const startedAt = time.now;
    const lb = world.lb(balancer);
    const names = node.policy.balancers.find(({ name }) => name === balancer)?.servers ?? [];
    lb.line.exchange(
      node.index,
      () => lb.survey(names, scope),
      (found) => tell({ type: 'surveyed', id, balancer, survey: found, startedAt }),
      (error) => {
        const need = `${scope === 'capacity' ? 'capacity' : 'survey'} ${balancer}`;
        tell({ type: 'check-failed', id, need, code: 'balancer-unreachable', error });
      },
    );
  }

  function say(
    { balancer, server, admin, mayReplace, epoch }: EffectOf<'set-server'>,
    tell: TellNode,
    issued: Issued,
  ): void {
    const startedAt = time.now;
    const { life } = node;
    const lb = world.lb(balancer);
    const write = (): void => {
      const found = lb.server(server);
      const there = found.admin;
      // A poller is answered with the level that is wanted, whatever it was answered before.
      if (!lb.polls && there !== admin && !mayReplace.includes(there)) return;
      if (lb.slips && there === 'drain' && admin === 'maint')
        lb.slips = !world.people.slip({ lb, server: found });
      verdicts.note(`${node.policy.node}: ${balancer} ${server} ${there} -> ${admin}`);
      world.coverage.meet(`word ${there} to ${admin}`);
      oracle().written({ node, lb, server: found, admin, there, issued });
      // What is put back as it was found is its owner's again.
      const isPutBack = peek(issued.state).isGivingBack && admin !== 'ready';
      // A late command of a dead life whose disk failed (with an alarm) is in no record: to the next life it is
      // foreign.
      const isForgotten = node.life !== life && peek(issued.state).hasDiskAlarm;
      lb.set(server, admin, 'us');
      if (isPutBack || isForgotten) found.by = 'operator';
    };
    const failed = (error: string): void =>
      tell({ type: 'set-server-failed', balancer, server, epoch, error });
    // Read back by a command of its own: an operator may come in between.
    const denied = (): void => failed(`permission denied (after ${Math.round(time.between(1, 1e6))} ms)`);
    const readBack = (): void =>
      lb.line.exchange(
        node.index,
        () => readBackOf(lb, server),
        (view) => view && tell({ type: 'server-set', balancer, server, admin, view, epoch, startedAt }),
        failed,
      );
    const absent = (): void => failed('no such server');
    if (lb.server(server).absent) {
      // One that the configuration lost HAProxy may have lost too: the driver answers that it is not there (`putBack`).
      const isListed = node.policy.balancers.some(
        (one) => one.name === balancer && one.servers.includes(server),
      );
      lb.line.exchange(node.index, () => undefined, isListed ? absent : readBack, failed);
    } else if (lb.denies) lb.line.exchange(node.index, () => undefined, denied, failed);
    else lb.line.exchange(node.index, write, readBack, failed);
  }

  function weigh(
    { balancer, server, weight, mayReplace }: EffectOf<'set-weight'>,
    tell: TellNode,
    issued: Issued,
  ): void {
    const startedAt = time.now;
    const lb = world.lb(balancer);
    const there = lb.server(server);
    const seen = (): number | null => (there.absent ? null : there.weight);
    const write = (): void => {
      if (there.absent || there.weight === weight || !mayReplace.includes(there.weight)) return;
      verdicts.note(`${node.policy.node}: ${balancer} ${server} weight ${there.weight} -> ${weight}`);
      oracle().weighed({ node, lb, server: there, weight, issued });
      lb.weigh(server, weight, 'us');
    };
    const failed = (error: string): void =>
      tell({ type: 'set-weight-failed', balancer, server, isFinal: lb.denies, error });
    const readBack = (): void =>
      lb.line.exchange(
        node.index,
        seen,
        (now) => tell({ type: 'weight-set', balancer, server, weight, seen: now, startedAt }),
        failed,
      );
    if (lb.denies)
      lb.line.exchange(
        node.index,
        () => undefined,
        () => failed('permission denied'),
        failed,
      );
    else lb.line.exchange(node.index, write, readBack, failed);
  }

  function close({ balancer, server }: EffectOf<'close-connections'>, tell: TellNode): void {
    const lb = world.lb(balancer);
    const end = (): Closed => {
      const here = [...lb.connections].filter((one) => one.server === lb.server(server) && !one.queued);
      for (const one of here) lb.connections.delete(one);
      return { tunnels: 0, requests: here.length, left: 0 };
    };
    lb.line.exchange(
      node.index,
      end,
      (closed) => tell({ type: 'connections-closed', balancer, server, closed, error: null }),
      (error) => tell({ type: 'connections-closed', balancer, server, closed: null, error }),
    );
  }

  return { survey, say, weigh, close };
}

/** One server, and the worker that shows it, as the driver of the Runtime API answers a write. */
function readBackOf(lb: SimLb, server: string): ReadBackView | undefined {
  const { servers, worker } = lb.look([server]);
  const [view] = servers;
  return view && worker ? { ...view, worker } : view;
}
