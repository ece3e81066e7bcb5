import type { Policy } from '../../../agent/lifecycle/model/policy.ts';
import { isFollowed } from './followed.ts';
import { forcedOf } from './knowledge.ts';
import { peek } from './peek.ts';
import type { Taken, World } from './world.ts';

/** *drained*: every source and every balancer counts 0, and every server is behind the fence (I7, I12). */
export interface ZeroJudge {
  watch(taken: Taken): void;
}

type Counting = Policy['balancers'][number];

export function createZeroJudge(world: World): ZeroJudge {
  const { verdicts } = world;
  const broken = (what: readonly unknown[]): void => verdicts.broken('drained and not so', what);

  function balancer(taken: Taken, { name, servers, counts }: Counting): void {
    const { node, before } = taken;
    const { isForced, wantsFence } = peek(before);
    const looked = node.known.looks.get(name);
    if (!looked || looked.lostAt !== null) {
      if (node.policy.unreachable === 'wait' && !isForced) broken([name, 'is unknown']);
      return;
    }
    if (!counts) return;
    for (const server of servers) {
      const view = looked.servers.find((one) => one.name === server);
      if (!view) return broken([name, server, 'is not in the look']);
      const { connections, queued, absent } = view;
      const isTold = isForced && isPatienceOver(taken);
      if ((connections !== 0 || queued !== 0) && !isTold) broken([name, server, connections, queued]);
      if (!wantsFence || isForced || absent !== undefined || forcedOf(view) === 'maint') continue;
      if (isFollowed(node, world.lb(name).server(server), view, looked.startedAt)) named(taken, server);
      else broken([name, server, 'is not in MAINT']);
    }
  }

  /** The result names it as not fenced; a node that drains without an operation has none. */
  function named({ before, after, effects }: Taken, server: string): void {
    if (peek(before).op === null) return;
    const results = effects.flatMap((effect) => (effect.type === 'finish' ? effect.result.warnings : []));
    const warnings = [...results, ...(peek(after).op?.warnings ?? [])];
    if (!warnings.some((text) => text.includes(server) && text.includes('is not fenced')))
      verdicts.broken('followed in silence', server);
  }

  return {
    watch(taken) {
      const { node, before, after, event } = taken;
      const isReached =
        after.phase === 'drained' && (before.phase === 'fencing' || before.phase === 'settling');
      if (!isReached || event.type === 'persist-failed' || staysAsItWas(taken)) return;
      for (const one of node.policy.balancers) balancer(taken, one);
      if (peek(after).appGone || peek(before).isForced) return;
      for (const source of node.policy.sources) {
        const count = node.known.counts.get(source) ?? null;
        if (count !== 0) broken([source, count]);
      }
    },
  };
}

/** A node that was drained before is left so by the guard: its fence has stood since. */
function staysAsItWas({ effects }: Taken): boolean {
  return effects.some((effect) => effect.type === 'finish' && effect.result.code === 'guard');
}

/**
 * Users who were forced are gone, unless a second signal, in this step or before it, or the time ended the wait for
 * them; the result has a warning.
 */
function isPatienceOver({ before, after, effects, event }: Taken): boolean {
  const results = effects.flatMap((effect) => (effect.type === 'finish' ? effect.result.warnings : []));
  const warnings = [...results, ...(peek(after).op?.warnings ?? [])];
  return (
    event.type === 'force-now' ||
    peek(before).isHurried ||
    warnings.some((text) => /could not be closed|not every balancer/.test(text))
  );
}
