import { cancelOf } from '../../../agent/lifecycle/phases/cancel.ts';
import type { Event } from '../../../agent/lifecycle/model/event.ts';
import type { Effect } from '../../../agent/lifecycle/model/effect.ts';
import type { SimLb } from './balancer.ts';
import { isAskedOften, nextDeadline } from '../../../agent/lifecycle/timing.ts';
import type { Policy } from '../../../agent/lifecycle/model/policy.ts';
import type { StateRecord } from '../../../agent/lifecycle/model/record.ts';
import { initial } from '../../../agent/lifecycle/model/state.ts';
import { createDisk } from '../world/disk.ts';
import type { SimApp } from './app.ts';
import { type Asking, createAsking } from './asking.ts';
import { createEffects, type Deferred, isDeferred } from './effects.ts';
import { learn, NOTHING } from './knowledge.ts';
import { createProber } from './prober.ts';
import { createStepper } from './stepper.ts';
import type { Happening, Oracle, SimNode, World } from './world.ts';

/** The sidecar of one node, life after life: `step`, and effects that are carried out late and in any order. */
export function createNode(world: World, index: number, app: SimApp, oracle: () => Oracle): SimNode {
  const { time, verdicts } = world;
  const disk = createDisk(time);
  const prober = createProber(time, app);
  const stepper = createStepper(world);
  let policy: Policy;
  let state = initial(EMPTY, time.now);
  let known = NOTHING;
  /** What the life before knew at its end. */
  let lastKnown = NOTHING;
  let life = 0;
  let boots = 0;
  let bootedAt = -Infinity;
  let running = false;
  let mailbox: Event[] = [];
  let stepping = false;
  let backSince: number | null = null;
  let warmingSince: number | null = null;
  let busyAt = time.now;
  let cancelWake = (): void => undefined;
  let asking: Asking | null = null;

  /** The events of this life; a dead sidecar gets none. */
  const heard = (): ((happening: Happening) => void) => {
    const mine = life;
    return (happening) => {
      if (life === mine) post(happening);
    };
  };

  function post(happening: Happening): void {
    if (!running) return;
    mailbox.push({ ...happening, at: time.now } as Event);
    if (stepping) return;
    stepping = true;
    for (let event = mailbox.shift(); event; event = mailbox.shift()) take(event);
    stepping = false;
    asking?.adjust();
    if (policy.hasProbe) prober.setPace(isAskedOften(state) ? 'warming' : 'normal');
    arm();
  }

  function take(event: Event): void {
    if (event.type === 'polled' && !known.looks.has(event.balancer)) disownTwin(world.lb(event.balancer));
    const before = state;
    known = learn(known, event, policy);
    const [after, effects] = stepper(policy, before, event);
    state = after;
    noteWarming(before.phase);
    if (before.phase !== after.phase || effects.some(({ type }) => type !== 'poll' && type !== 'count'))
      busyAt = time.now;
    if (before.phase !== after.phase)
      verdicts.note(`${policy.node}: ${before.phase} -> ${after.phase} on ${event.type}`);
    oracle().watch({ node: self, before, event, after, effects });
    for (const effect of effects) carryOut(effect);
  }

  function noteWarming(before: string): void {
    const { phase } = state;
    if (phase === 'warming') warmingSince = before === 'warming' ? warmingSince : time.now;
    else if (phase !== 'returning') warmingSince = null;
    if (phase !== 'warming' && phase !== 'returning') backSince = null;
    else backSince = warmingSince ?? backSince ?? time.now;
  }

  function carryOut(effect: Effect): void {
    const goodProbes = prober.goodSince(backSince ?? time.now);
    if (isDeferred(effect)) act(effect, heard(), { known, state, goodProbes });
    else own(effect);
  }

  function own(effect: Exclude<Effect, Deferred>): void {
    switch (effect.type) {
      case 'poll':
        return asking?.look(effect.balancer);
      case 'count':
        return asking?.count(effect.source);
      case 'reply':
        return verdicts.note(`${policy.node}: reply ${effect.id} under ${effect.ticket}`);
      case 'finish': {
        const { id, code, phase, forced } = effect.result;
        world.coverage.meet(`code ${code}`);
        return verdicts.note(`${policy.node}: finish ${id} ${code} in ${phase}, forced ${forced}`);
      }
      case 'log':
      case 'slot-freed':
        return;
      default:
        return effect satisfies never;
    }
  }

  function arm(): void {
    cancelWake();
    const at = nextDeadline(policy, state, time.now);
    if (at === null) return;
    if (at <= time.now) verdicts.broken('broke', `hot loop: woken at ${at}, and it is ${time.now}`);
    else cancelWake = time.after(at - time.now, () => post({ type: 'tick' }));
  }

  const self: SimNode = {
    index,
    app,
    disk,
    prober,
    get policy() {
      return policy;
    },
    set policy(next) {
      policy = next;
    },
    get state() {
      return state;
    },
    get running() {
      return running;
    },
    get life() {
      return life;
    },
    get known() {
      return known;
    },
    get busyAt() {
      return running && nextDeadline(policy, state, time.now) !== null ? Infinity : busyAt;
    },
    get warmingSince() {
      return warmingSince;
    },
    boot(next) {
      policy = next;
      running = true;
      state = initial(policy, time.now);
      asking = createAsking(world, self, () => state, heard());
      const record = disk.content === null ? null : (JSON.parse(disk.content) as StateRecord);
      const fresh = policy.supervises && app.main === null;
      lastKnown = known;
      for (const lb of world.lbs) disownTwin(lb);
      if (fresh) app.spawn(app.start === 'slow' ? 'slow' : 'works');
      known = { ...NOTHING, isGoneByRecord: !fresh && record?.appGone === true };
      const proof = policy.supervises ? app.proof() : null;
      verdicts.note(`${policy.node}: boots${fresh ? ' with a fresh application' : ''}`);
      oracle().booted(self);
      post({
        type: 'booted',
        record,
        sameBoot: record === null || record.savedAt > bootedAt,
        fresh,
        proof,
        alarm: null,
      });
      asking.begin();
      if (policy.hasProbe) {
        const tell = heard();
        prober.begin(({ health, signedOut, startedAt }) =>
          tell({ type: 'probed', health, signedOut, startedAt }),
        );
      }
    },
    crash() {
      verdicts.note(`${policy.node}: kill -9 of the sidecar`);
      for (const lb of world.lbs) lb.line.settle(index);
      oracle().crashed(self);
      running = false;
      life += 1;
      mailbox = [];
      world.lock.setAlive(policy.node, false);
      cancelWake();
      asking?.stop();
      prober.stop();
      disk.cut();
    },
    powerCycle(starts) {
      if (running) self.crash();
      app.end();
      boots += 1;
      bootedAt = time.now;
      verdicts.note(`${policy.node}: its machine goes off`);
      const { life: mine } = self;
      // Whatever starts the sidecar once more meanwhile has started it on the machine that is up again.
      time.after(time.between(1_000, 5_000), () => {
        if (starts && !policy.supervises) app.spawn(app.start);
        if (life === mine && !running) self.boot(policy);
      });
    },
    get boots() {
      return boots;
    },
    submit(request) {
      verdicts.note(`${policy.node}: submit ${JSON.stringify(request)}`);
      if (!running) return;
      oracle().submitted(self, request);
      post({ type: 'submit', request });
    },
    cancel(id) {
      if (!running || cancelOf(state, id) !== 'cancelling') return;
      verdicts.note(`${policy.node}: cancel ${id}`);
      oracle().cancelled(self, id);
      post({ type: 'cancel', id, by: 'test' });
    },
    secondSignal() {
      verdicts.note(`${policy.node}: a second signal`);
      post({ type: 'force-now' });
    },
    post,
  };

  /** A worker that no life of this sidecar has seen yet, and that cannot be distinguished from the one before it. */
  function disownTwin({ name, isTwin, bornAt, servers }: SimLb): void {
    if (!isTwin || (lastKnown.looks.get(name)?.startedAt ?? -Infinity) >= bornAt) return;
    for (const server of servers)
      if (server.node === index && server.by === 'us' && server.admin !== 'ready') server.by = 'operator';
  }

  const act = createEffects(world, self, oracle);
  return self;
}

const EMPTY = { balancers: [], sources: [] } as unknown as Policy;
