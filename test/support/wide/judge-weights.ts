import { allWeights } from '../../../agent/lifecycle/model/ramp.ts';
import type { LbServer, SimLb } from './balancer.ts';
import { isListed } from './known-users.ts';
import { peek } from './peek.ts';
import type { SimNode, Weighed, World, Written } from './world.ts';

/** Every weight that reaches a server, and what is left at the end: `warmUp`, I2, I4. */
export interface WeightJudge {
  written(word: Written): void;
  weighed(word: Weighed): void;
  rested(answers: boolean): void;
}

/** What another hand did so short before is not known yet. */
const NEWS_MS = 2_000;
const SLACK_MS = 200;

export function createWeightJudge(world: World): WeightJudge {
  const { time, verdicts } = world;
  /** When a server came into READY by our hand last, by node, balancer and server. */
  const since = new Map<string, number>();
  const keyOf = (node: SimNode, lb: SimLb, server: LbServer): string =>
    `${node.index} ${lb.name} ${server.name}`;

  /** An operator's weight that was seen in the ramp, and that no weight of the ramp is. */
  function overridden({ lb, server, issued }: Weighed): boolean {
    const ramp = peek(issued.state).rampOf(lb.name, server.name);
    if (server.weightBy !== 'operator' || ramp === null) return false;
    const startedAt = issued.known.looks.get(lb.name)?.startedAt ?? -Infinity;
    return startedAt > server.weightSince && !allWeights(ramp).includes(server.weight);
  }

  return {
    written({ node, lb, server, admin, there, issued }) {
      if (admin !== 'ready' || there === 'ready' || lb.polls) return;
      since.set(keyOf(node, lb, server), time.now);
      const p = peek(issued.state);
      const ramp = p.rampOf(lb.name, server.name);
      if (p.phase !== 'returning' || p.restoring || ramp?.by !== 'steps') return;
      const isNews = server.weightBy !== 'us' && time.now - server.weightSince < NEWS_MS;
      if (!isNews && server.weight >= ramp.full)
        verdicts.broken('whole share at once', [p.phase, lb.name, server.name, server.weight]);
    },
    weighed(word) {
      const { node, lb, server, weight, issued } = word;
      const where = [peek(issued.state).phase, lb.name, server.name, `${server.weight} -> ${weight}`];
      world.coverage.meet('weight');
      if (weight < 1) verdicts.broken('weight of nothing', where);
      if (overridden(word)) verdicts.broken('weight overridden', where);
      const p = peek(node.state);
      const ramp = p.rampOf(lb.name, server.name);
      // What the configuration has lost is given back at once.
      const isRising =
        p.phase === 'returning' &&
        p.isGivingBack &&
        !p.restoring &&
        p.wants(lb.name, server.name) === 'ready';
      if (
        !isListed(node.policy, lb, server.name) ||
        !isRising ||
        ramp?.by !== 'steps' ||
        weight < ramp.full ||
        server.admin !== 'ready' ||
        server.over !== null
      )
        return;
      const readyAt = since.get(keyOf(node, lb, server)) ?? -Infinity;
      if (time.now - readyAt < node.policy.warmUpMs - SLACK_MS) verdicts.broken('ramp cut short', where);
    },
    rested(answers) {
      if (!answers) return;
      for (const node of world.nodes) {
        const p = peek(node.state);
        if (!node.running || p.op) continue;
        for (const lb of world.lbs)
          for (const server of lb.servers) {
            const { restWeight, weight, weightBy, absent, up } = server;
            // It rises once it is UP, at a balancer that was out of reach when the others had the node back, too.
            if (!up && p.wants(lb.name, server.name) === 'ready') continue;
            // Out of reach: an alarm has told of it (I17).
            if (!node.policy.balancers.some(({ name }) => name === lb.name)) continue;
            if (server.node !== node.index || absent || weightBy !== 'us' || restWeight === null) continue;
            if (weight !== restWeight)
              verdicts.broken('weight not given back', [
                p.phase,
                lb.name,
                server.name,
                `${weight} of ${restWeight}`,
              ]);
          }
      }
    },
  };
}
