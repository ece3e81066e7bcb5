import type { Closed } from '../../../agent/lifecycle/model/observation.ts';
import type { State } from '../../../agent/lifecycle/model/state.ts';
import { listedIn } from './polls.ts';
import type { Doing, SceneWorld, TellScene } from './world.ts';

/** What a sidecar does at its balancers: each ends in one event. */
export interface BalancerActs {
  survey(effect: Doing<'survey'>, tell: TellScene): void;
  say(effect: Doing<'set-server'>, tell: TellScene): void;
  weigh(effect: Doing<'set-weight'>, tell: TellScene): void;
  close(effect: Doing<'close-connections'>, tell: TellScene): void;
}

/** @param state of the sidecar that acts, as of now */
export function createBalancerActs(world: SceneWorld, state: () => State): BalancerActs {
  const { time, site } = world;

  function survey({ id, balancer, scope, addresses }: Doing<'survey'>, tell: TellScene): void {
    const startedAt = time.now;
    const at = site.balancer(balancer);
    const later = (ms: number, tellIt: () => void): void => (ms > 0 ? void time.after(ms, tellIt) : tellIt());
    const fail = (error: string): void => {
      const need = `${scope === 'capacity' ? 'capacity' : 'survey'} ${balancer}`;
      tell({ type: 'check-failed', id, need, code: 'balancer-unreachable', error });
    };
    at.exchange(
      () => listedIn(world.policy, balancer, at.survey(scope, addresses)),
      (found) =>
        scope === 'capacity' && !at.listsSiblings
          ? fail('it did not answer')
          : later(at.listMs, () => tell({ type: 'surveyed', id, balancer, survey: found, startedAt })),
      fail,
    );
  }

  function say({ balancer, server, admin, mayReplace, epoch }: Doing<'set-server'>, tell: TellScene): void {
    const startedAt = time.now;
    const said = { server, phase: state().phase, operation: state().op?.id ?? null };
    const at = site.balancer(balancer);
    const write = (): void => {
      const there = at.server(server).admin;
      if (there === admin || mayReplace.includes(there)) {
        const users = site.users.filter((user) => user.server === at.server(server)).length;
        if (admin === 'maint' && there === 'ready' && users > 0) site.thrownOut.push({ ...said, users });
        at.set(server, admin, 'us');
      }
    };
    const failed = (error: string): void =>
      tell({ type: 'set-server-failed', balancer, server, epoch, error });
    // Read back by a command of its own: an operator may come in between.
    const readBack = (): void =>
      at.exchange(
        () => {
          const { servers, worker } = at.look();
          const view = servers.find(({ name }) => name === server);
          return view && worker ? { ...view, worker } : view;
        },
        (view) => view && tell({ type: 'server-set', balancer, server, admin, view, epoch, startedAt }),
        failed,
      );
    const isListed = world.policy.balancers.some(
      ({ name, servers }) => name === balancer && servers.includes(server),
    );
    // A driver answers of one that the configuration lost that HAProxy does not have it either.
    if (at.server(server).absent && isListed)
      return at.exchange(
        () => undefined,
        () => failed('no such server'),
        failed,
      );
    at.exchange(write, readBack, failed);
  }

  function weigh({ balancer, server, weight, mayReplace }: Doing<'set-weight'>, tell: TellScene): void {
    const startedAt = time.now;
    const there = site.balancer(balancer).server(server);
    const { weightFailure } = there;
    if (weightFailure !== null)
      return void time.after(weightFailure.afterMs, () =>
        tell({ type: 'set-weight-failed', balancer, server, isFinal: false, error: weightFailure.error }),
      );
    time.after(time.between(0.1, 30), () => {
      if (mayReplace.includes(there.weight)) there.weight = weight;
      tell({ type: 'weight-set', balancer, server, weight, seen: there.weight, startedAt });
    });
  }

  function close({ balancer, server }: Doing<'close-connections'>, tell: TellScene): void {
    const at = site.balancer(balancer);
    const end = (): Closed => {
      const closed: Closed = { tunnels: 0, requests: at.server(server).serving, left: 0 };
      Object.assign(at.server(server), { serving: 0 });
      return closed;
    };
    time.after(at.listMs, () =>
      at.exchange(
        end,
        (closed) => tell({ type: 'connections-closed', balancer, server, closed, error: null }),
        (error) => tell({ type: 'connections-closed', balancer, server, closed: null, error }),
      ),
    );
  }

  return { survey, say, weigh, close };
}
