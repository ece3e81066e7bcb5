import type { Effect } from '../../../agent/lifecycle/model/effect.ts';
import type { Event } from '../../../agent/lifecycle/model/event.ts';
import type { Result } from '../../../agent/lifecycle/model/api.ts';
import { nextDeadline } from '../../../agent/lifecycle/timing.ts';
import type { StateRecord } from '../../../agent/lifecycle/model/record.ts';
import { type Health, initial, type State } from '../../../agent/lifecycle/model/state.ts';
import { step } from '../../../agent/lifecycle/step.ts';
import type { LockAsk } from '../../../agent/lifecycle/model/slot.ts';
import { createAppActs, signsOf } from './app-acts.ts';
import { createBalancerActs } from './balancer-acts.ts';
import { frozen } from './frozen.ts';
import { createPolls } from './polls.ts';
import type { Doing, SceneEvent, StepTrace, SceneWorld, TellScene } from './world.ts';

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
  const atBalancers = createBalancerActs(world, () => state);
  const withApp = createAppActs(world, probe);

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
  const heard = (): TellScene => {
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
        return atBalancers.survey(effect, tell);
      case 'check':
        return withApp.check(effect, tell);
      case 'set-server':
        return atBalancers.say(effect, tell);
      case 'poll':
        return polls.look(effect.balancer);
      case 'count':
        return polls.count(effect.source);
      case 'close-connections':
        return atBalancers.close(effect, tell);
      case 'stop':
        return withApp.stop(effect, tell);
      case 'check-stop':
        return void time.after(time.between(0.1, 60), () =>
          tell({ type: 'stop-checked', epoch: effect.epoch, outcome: withApp.outcomeOf(effect) }),
        );
      case 'start':
        return withApp.start(effect, tell);
      case 'reboot':
        return void time.after(time.between(0.1, 60), () =>
          tell(
            site.app.reboot === 'refused'
              ? { type: 'reboot-refused', id: effect.id, code: 'failed', error: 'systemctl: exit code 1' }
              : { type: 'reboot-asked', id: effect.id },
          ),
        );
      case 'set-weight':
        return atBalancers.weigh(effect, tell);
      case 'set-gate':
        return withApp.gate(effect, tell);
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

  function askLock(ask: LockAsk, tell: TellScene): void {
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

  function verdict(health: Health, signedOut = false): SceneEvent {
    return { type: 'probed', health, signedOut, startedAt: time.now };
  }

  /** The prober's verdict, some time later, on what is there then. */
  function probe(tell: TellScene): void {
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
