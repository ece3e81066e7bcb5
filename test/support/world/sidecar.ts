import { NO_SIGNS } from '../../../agent/engine/life-signs.ts';
import type { LifeSigns } from '../../../agent/lifecycle/model/observation.ts';
import { isDeepStrictEqual } from 'node:util';
import type { Effect } from '../../../agent/lifecycle/model/effect.ts';
import type { Event } from '../../../agent/lifecycle/model/event.ts';
import type { Result } from '../../../agent/lifecycle/model/api.ts';
import { nextDeadline } from '../../../agent/lifecycle/timing.ts';
import type { StateRecord } from '../../../agent/lifecycle/model/record.ts';
import { type Health, initial, type State } from '../../../agent/lifecycle/model/state.ts';
import { step } from '../../../agent/lifecycle/step.ts';
import type { Closed } from '../../../agent/lifecycle/model/observation.ts';
import type { LockAsk } from '../../../agent/lifecycle/model/slot.ts';
import { frozen } from './frozen.ts';
import { createPolls, listedIn } from './polls.ts';
import type { SimSite } from './site.ts';
import type { SceneEvent, StepTrace, SceneWorld } from './world.ts';

/** The sidecar in the simulated world: `step`, and effects that are carried out late and in any order. */
export interface SimSidecar {
  readonly state: State;
  readonly running: boolean;
  /** Every answer so far, by request or ticket. */
  readonly replies: readonly { readonly id: string; readonly ticket: string }[];
  readonly results: readonly Result[];
  /** @param found what it starts with, instead of what is on disk and runs already */
  boot(found?: { readonly record: StateRecord; readonly fresh: boolean; readonly sameBoot: boolean }): void;
  /** kill -9: nothing of it is left but the disk, and what is on its way to a balancer or to the application. */
  crash(): void;
  post(happening: SceneEvent): void;
  /** The prober's verdict as of now. */
  probed(health: Health, signedOut?: boolean): void;
}

/** @param watch sees every step; throws when it was a wrong one */
export function createSidecar(world: SceneWorld, watch: (taken: StepTrace) => void): SimSidecar {
  const { time, site, disk, lock } = world;
  const replies: { id: string; ticket: string }[] = [];
  const results: Result[] = [];
  let state = initial(world.policy, time.now);
  let life = 0;
  let running = false;
  let mailbox: Event[] = [];
  let stepping = false;
  let cancelWake = (): void => undefined;
  let polls = createPolls(world, () => state, post);

  function post(happening: SceneEvent): void {
    if (!running) return;
    mailbox.push({ ...happening, at: time.now } as Event);
    if (stepping) return;
    stepping = true;
    for (let event = mailbox.shift(); event; event = mailbox.shift()) take(event);
    stepping = false;
    polls.adjust();
    arm();
  }

  function take(event: Event): void {
    const before = state;
    const [after, effects] = step(world.policy, before, frozen(event));
    state = frozen(after);
    watch({ before, event, after, effects: frozen(effects) });
    for (const effect of effects) act(effect);
  }

  function arm(): void {
    cancelWake();
    const at = nextDeadline(world.policy, state, time.now);
    if (at === null) return;
    if (at <= time.now) throw new Error(`hot loop: woken at ${at}, and it is ${time.now}`);
    cancelWake = time.after(at - time.now, () => post({ type: 'tick' }));
  }

  /** The events of this life; a dead sidecar gets none. */
  const heard = (): ((happening: SceneEvent) => void) => {
    const mine = life;
    return (happening) => {
      if (life === mine) post(happening);
    };
  };

  function act(effect: Effect): void {
    const tell = heard();
    switch (effect.type) {
      case 'persist': {
        const { save, record } = effect;
        return disk.save(JSON.stringify(record), (error) =>
          tell(error === null ? { type: 'persisted', save } : { type: 'persist-failed', save, error }),
        );
      }
      case 'survey':
        return survey(effect, tell);
      case 'check':
        return check(effect, tell);
      case 'set-server':
        return say(effect, tell);
      case 'poll':
        return polls.look(effect.balancer);
      case 'count':
        return polls.count(effect.source);
      case 'close-connections':
        return close(effect, tell);
      case 'stop':
        return stop(effect, tell);
      case 'check-stop':
        return void time.after(time.between(0.1, 60), () =>
          tell({ type: 'stop-checked', epoch: effect.epoch, outcome: outcomeOf(effect) }),
        );
      case 'start':
        return start(effect, tell);
      case 'reboot':
        return void time.after(time.between(0.1, 60), () =>
          tell(
            site.app.reboot === 'refused'
              ? { type: 'reboot-refused', id: effect.id, code: 'failed', error: 'systemctl: exit code 1' }
              : { type: 'reboot-asked', id: effect.id },
          ),
        );
      case 'set-weight':
        return weigh(effect, tell);
      case 'set-gate':
        return gate(effect, tell);
      case 'look-for-life':
        return void time.after(time.between(0.1, 60), () =>
          tell({ type: 'life', id: effect.id, signs: signsOf(site) }),
        );
      case 'send-warning': {
        const { warningIndex } = effect;
        return void time.after(time.between(1, 50), () =>
          tell({ type: 'warning-sent', warningIndex, error: null }),
        );
      }
      case 'ask-lock':
        return askLock(effect.ask, tell);
      case 'read-holder':
        return void time.after(time.between(0.1, 60), () => tell(readHolder(effect)));
      case 'free-holder': {
        const { holder } = effect;
        return void time.after(time.between(0.1, 60), () =>
          tell({ type: 'holder-freed', holder, isFreed: lock.freeRead(holder), error: lock.down }),
        );
      }
      case 'reset-probe':
        return probe(tell);
      case 'reply':
        return void replies.push(effect);
      case 'finish':
        return void results.push(effect.result);
      case 'log':
      case 'slot-freed':
        return;
      default:
        return effect satisfies never;
    }
  }

  function askLock(ask: LockAsk, tell: Tell): void {
    const begun = time.now;
    const { does } = ask;
    const { id } = ask.claim;
    // Done at an instant between the question and the answer.
    time.after(time.between(0.1, lock.mostMs), () => {
      let heard: SceneEvent;
      try {
        heard = { type: 'lock-answered', does, id, view: { ...lock.ask(ask, time.now), begun } };
      } catch (error) {
        heard = { type: 'lock-failed', id, begun, error: String(error) };
      }
      time.after(lock.answerMs + time.between(0.1, lock.mostMs), () => tell(heard));
    });
  }

  function readHolder({ id, places }: Doing<'read-holder'>): SceneEvent {
    const startedAt = time.now;
    try {
      const servers = places.flatMap((place) => lock.serversAt(place));
      return { type: 'holder-read', id, servers, error: null, startedAt };
    } catch (error) {
      return { type: 'holder-read', id, servers: null, error: String(error), startedAt };
    }
  }

  type Doing<T extends Effect['type']> = Extract<Effect, { type: T }>;
  type Tell = (happening: SceneEvent) => void;

  function survey({ id, balancer, scope, addresses }: Doing<'survey'>, tell: Tell): void {
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

  function check({ id, need }: Doing<'check'>, tell: Tell): void {
    time.after(time.between(0.1, 10), () => {
      if (need !== 'stop') return tell({ type: 'command-checked', id, need, proof: null });
      if (!world.policy.stopIsIdempotent) return tell({ type: 'command-checked', id, need, proof: null });
      if (site.app.alive) return tell({ type: 'command-checked', id, need, proof: site.proof() });
      tell({ type: 'check-failed', id, need, code: 'app-stop', error: 'the process is not running' });
    });
  }

  function say({ balancer, server, admin, mayReplace, epoch }: Doing<'set-server'>, tell: Tell): void {
    const startedAt = time.now;
    const said = { server, phase: state.phase, operation: state.op?.id ?? null };
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

  function weigh({ balancer, server, weight, mayReplace }: Doing<'set-weight'>, tell: Tell): void {
    const startedAt = time.now;
    time.after(time.between(0.1, 30), () => {
      const there = site.balancer(balancer).server(server);
      if (mayReplace.includes(there.weight)) there.weight = weight;
      tell({ type: 'weight-set', balancer, server, weight, seen: there.weight, startedAt });
    });
  }

  function close({ balancer, server }: Doing<'close-connections'>, tell: Tell): void {
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

  function stop({ epoch, proof }: Doing<'stop'>, tell: Tell): void {
    time.after(time.between(0.1, 5), () => {
      if (proof && !isDeepStrictEqual(proof, site.proof()))
        return tell({ type: 'stopped', epoch, how: 'gone', warnings: [] });
      if (world.policy.stopIsIdempotent && !proof)
        return tell({ type: 'stop-failed', epoch, error: 'no process was proven to be the application' });
      if (site.app.stop === 'fails')
        return void time.after(time.between(10, 500), () =>
          tell({ type: 'stop-failed', epoch, error: 'it does not end' }),
        );
      time.after(time.between(1, 500), () => {
        site.die();
        probe(tell);
        time.after(time.between(0.1, 20), () =>
          tell({ type: 'stopped', epoch, how: 'TERM', warnings: [], ...(!proof && { unproven: true }) }),
        );
      });
    });
  }

  function outcomeOf({ proof }: Doing<'check-stop'>): 'gone' | 'alive' | 'unknown' {
    if (!proof) return 'unknown';
    return site.app.alive && isDeepStrictEqual(proof, site.proof()) ? 'alive' : 'gone';
  }

  function start({ epoch }: Doing<'start'>, tell: Tell): void {
    time.after(time.between(1, 800), () => {
      if (site.app.start === 'fails') return tell({ type: 'start-failed', epoch, error: 'exit 1' });
      site.revive(site.app.start === 'works');
      const proof = world.policy.supervises ? site.proof() : null;
      time.after(time.between(0.1, 10), () => tell({ type: 'started', epoch, proof }));
      probe(tell);
    });
  }

  function gate({ to }: Doing<'set-gate'>, tell: Tell): void {
    time.after(time.between(0.5, 50), () => {
      const error = !site.app.alive || time.chance(0.1) ? 'exit 1' : null;
      if (error === null) site.app.gated = to === 'on';
      time.after(time.between(0.1, 5), () => tell({ type: 'gate-set', to, error }));
    });
  }

  function verdict(health: Health, signedOut = false): SceneEvent {
    return { type: 'probed', health, signedOut, startedAt: time.now };
  }

  /** The prober's verdict, some time later, on what is there then. */
  function probe(tell: Tell): void {
    if (!world.policy.hasProbe) return;
    time.after(time.between(20, 600), () => tell(verdict(site.app.healthy ? 'up' : 'down')));
  }

  return {
    get state() {
      return state;
    },
    get running() {
      return running;
    },
    replies,
    results,
    boot(found) {
      running = true;
      state = frozen(initial(world.policy, time.now));
      polls = createPolls(world, () => state, heard());
      const onDisk = disk.content === null ? null : (JSON.parse(disk.content) as StateRecord);
      const { record, fresh, sameBoot } = found ?? { record: onDisk, fresh: !site.app.alive, sameBoot: true };
      // A child that an earlier sidecar left is taken up, whether its record knew it or not; else it is started.
      if (world.policy.supervises && !site.app.alive) site.revive(site.app.start === 'works');
      const proof = world.policy.supervises ? site.proof() : null;
      post({ type: 'booted', record, sameBoot, fresh: world.policy.supervises && fresh, proof, alarm: null });
      polls.begin();
      probe(heard());
    },
    crash() {
      running = false;
      life += 1;
      mailbox = [];
      cancelWake();
      polls.stop();
      disk.cut();
      for (const balancer of site.balancers) balancer.settle();
    },
    post,
    probed: (health, signedOut) => post(verdict(health, signedOut)),
  };
}

/** The port of an application that lives is open. */
function signsOf({ app }: SimSite): LifeSigns {
  return { ...NO_SIGNS, open: app.alive ? ['127.0.0.1:80'] : [], processes: app.left };
}
