import { desired } from '../../../agent/lifecycle/model/desired.ts';
import type { State } from '../../../agent/lifecycle/model/state.ts';
import { serversOf } from '../../../agent/lifecycle/step-draft.ts';
import type { Admin } from '../../../agent/lifecycle/model/observation.ts';
import type { StepTrace, SceneWorld } from './world.ts';

/**
 * Whose state is at a server, by the world: the invariants that compare lastcall's writes with the truth at the
 * balancers (I1, I2, I3, I4).
 */
export interface OwnershipInvariants {
  watch(taken: StepTrace): void;
  /** `forgot`: the alarm was raised that the disk does not hold what is under way. */
  crashed(forgot: boolean): void;
  /** A stop is issued although no user was forced out. */
  stopped(state: State): void;
  ended(state: State): void;
}

interface PossibleStates {
  /** States that may be there because lastcall wrote them. */
  possible: Set<Admin>;
  /** All that was written in this outing: a state file may bring any of them back. */
  everWritten: Set<Admin>;
  /** What an aborted outing has put back. */
  restored: Admin | null;
}

/** @param isForced whether the running operation may take over what others hold: by its own request, or by one that joined */
export function createOwnershipInvariants(
  world: SceneWorld,
  fail: (invariant: string, what: unknown) => never,
  isForced: () => boolean,
): OwnershipInvariants {
  const { policy, site } = world;
  const entries = new Map<string, PossibleStates>();
  /** When the last look whose answer has arrived was begun, by balancer. */
  const looked = new Map<string, number>();

  const places = site.balancers.flatMap((balancer) =>
    balancer.servers.map((server) => ({ balancer, server, key: `${balancer.name} ${server.name}` })),
  );
  const entryOf = (key: string): PossibleStates => {
    const entry = entries.get(key) ?? { possible: new Set(), everWritten: new Set(), restored: null };
    entries.set(key, entry);
    return entry;
  };

  function watch(taken: StepTrace): void {
    const { event, after, before } = taken;
    if (event.type === 'polled' || event.type === 'surveyed') {
      looked.set(event.balancer, Math.max(looked.get(event.balancer) ?? 0, event.startedAt));
    }
    if (event.type === 'server-set') seen(event);
    for (const { balancerName, name, server, balancer } of serversOf(after)) {
      const entry = entryOf(`${balancerName} ${name}`);
      const old = before.balancers[balancerName];
      if (server.found && !old?.servers[name]?.found) begin(entry, server.possiblyOurs);
      if (old?.servers[name]?.foreign != null && server.foreign === null && after.op && isForced())
        begin(entry, server.possiblyOurs);
      if (!server.found) Object.assign(entry, { possible: new Set(), everWritten: new Set() });
      const target = desired(after, server);
      if (server.inSync && target) entry.possible = new Set([target]);
      if (old && balancer.worker?.pid !== old.worker?.pid)
        for (const admin of entry.everWritten) entry.possible.add(admin);
    }
    for (const effect of taken.effects) {
      if (effect.type !== 'set-server') continue;
      overwrites(effect.balancer, effect.server, effect.admin, effect.mayReplace);
      const entry = entryOf(`${effect.balancer} ${effect.server}`);
      entry.possible.add(effect.admin);
      entry.everWritten.add(effect.admin);
    }
    if (before.phase === 'returning' && after.phase !== 'returning' && !after.op) restored(taken);
  }

  /** What was read back after a write of ours is that state or a foreign one, and was seen. */
  function seen({
    balancer,
    server: name,
    admin,
    view,
  }: Extract<StepTrace['event'], { type: 'server-set' }>): void {
    const server = site.balancer(balancer).server(name);
    if (server.admin !== view.admin || server.by !== 'operator') return;
    looked.set(balancer, Math.max(looked.get(balancer) ?? 0, server.since + 1e-6));
    if (view.admin !== admin) entryOf(`${balancer} ${name}`).possible.delete(view.admin);
  }

  function begin(entry: PossibleStates, ours: readonly Admin[]): void {
    entry.restored = null;
    for (const admin of ours) {
      entry.possible.add(admin);
      entry.everWritten.add(admin);
    }
  }

  /** I2: what is there, was seen, and can only be an operator's, must not be replaceable. */
  function overwrites(at: string, name: string, admin: Admin, mayReplace: readonly Admin[]): void {
    const server = site.balancer(at).server(name);
    const entry = entryOf(`${at} ${name}`);
    if (server.by !== 'operator' || server.admin === 'ready' || server.admin === admin) return;
    if ((looked.get(at) ?? 0) <= server.since) return;
    if (mayReplace.includes(server.admin) && !entry.possible.has(server.admin))
      fail('I2', `${at}: ${name} is in ${server.admin} by an operator, and is set to ${admin}`);
  }

  /** I4, and the end of every return: what lastcall wrote is taken back. */
  function restored({ before, after }: StepTrace): void {
    if (after.phase !== 'serving' && after.phase !== 'unhealthy') return;
    for (const { key, server, balancer } of places) {
      const own = before.balancers[balancer.name]?.servers[server.name];
      if (!own?.found || own.foreign !== null || server.absent) continue;
      // Written when it is back (`unreachable: ignore`).
      if (before.balancers[balancer.name]?.error !== null && policy.unreachable === 'ignore') continue;
      const due = before.outing?.level === 'found' ? own.found.admin : 'ready';
      entryOf(key).restored = due;
      if (server.by === 'us' && server.admin !== due) fail('I4', [key, server.admin, due]);
    }
  }

  /** I1, where no operator's hand and no new worker has undone the fence since the last look. */
  function stopped(state: State): void {
    if (state.app.gone || !isFenced()) return;
    if (policy.sources.length > 0 && site.users.length > 0) fail('I1', `${site.users.length} users`);
    for (const { key, server } of places)
      if (server.serving + server.queued > 0) fail('I1', [key, server.serving, server.queued]);
  }

  function isFenced(): boolean {
    return places.every(({ balancer, server }) => {
      if (server.absent) return true;
      const since = looked.get(balancer.name) ?? 0;
      return (
        server.admin === 'maint' && balancer.bornAt < since && (server.by === 'us' || server.since < since)
      );
    });
  }

  return {
    watch,
    crashed(forgot) {
      looked.clear();
      // Its owner is unknown by now, so it is to be treated as foreign.
      if (forgot) for (const { server } of places) if (server.by === 'us') server.by = 'operator';
      for (const entry of entries.values()) for (const admin of entry.everWritten) entry.possible.add(admin);
    },
    stopped,
    ended(state) {
      for (const { key, server, balancer } of places) {
        const seen = state.balancers[balancer.name];
        const own = seen?.servers[server.name];
        if (!own || balancer.mode !== 'answers' || seen.error !== null || server.absent) continue;
        const target = desired(state, own);
        if (target && own.foreign === null && server.admin !== target)
          fail('I3', [key, server.admin, target]);
        const ours = server.by === 'us' && server.admin !== 'ready';
        if (!own.found && ours && entryOf(key).restored !== server.admin)
          fail('I4', `${key} was left in ${server.admin}`);
      }
    },
  };
}
