import type { Balancer } from '../balancers/balancer.ts';
import { lookScope } from '../lifecycle/phases/capacity.ts';
import { isOutward } from '../lifecycle/model/phase.ts';
import { countsPast, pace } from '../lifecycle/timing.ts';
import type { Policy } from '../lifecycle/model/policy.ts';
import type { State } from '../lifecycle/model/state.ts';
import type { Source } from '../sessions/source.ts';
import { createBackoff } from './backoff.ts';
import type { UnstampedEvent } from './run-effect.ts';
import { errorText } from '../system/error-text.ts';
import { createPoller, type Poller } from './poller.ts';
import { createSpread } from './spread.ts';
import type { Ports } from './ports.ts';
import { createProcessWatch } from './process-watch.ts';

/** All that is polled: balancers, session sources, and whether the proven process still lives. */
export interface Pollers {
  start(): void;
  poll(balancer: string): void;
  /** Asks at once, whatever it costs others: the fence is up, and only this answer is missing. */
  count(source: string): void;
  /** From the end of one count of each source to the next, as it is now, in milliseconds. */
  countEveryMs(): Readonly<Record<string, number>>;
  /** The pace may have quickened: wakes every poller that sleeps. */
  reschedule(): void;
  stop(): void;
}

const PROCESS_EVERY_MS = 500;

export function createPollers(
  policy: Policy,
  ports: Ports,
  getState: () => State,
  post: (event: UnstampedEvent) => void,
  signal: AbortSignal,
): Pollers {
  const { clock } = ports;
  const paceNow = (): ReturnType<typeof pace> => pace(policy, getState(), clock.now());
  const leftMs = (): number | undefined => {
    const deadline = deadlineOf(getState());
    return deadline === Infinity ? undefined : Math.max(0, deadline - clock.now());
  };
  const looks = byName(ports.balancers, (balancer) => {
    const ask = (): Promise<UnstampedEvent> => look(ports, balancer, termsOf(policy, getState()), signal);
    return createBalancerPoller(ports, ask, () => paceNow().balancers, post);
  });
  const counts = byName(ports.sources, (source) =>
    createPoller(
      clock,
      () => count(ports, source, signal).then(post),
      () => paceNow().sources,
      () => source.minPauseMs?.(leftMs()) ?? 0,
    ),
  );
  const app = createPoller(
    clock,
    createProcessWatch(policy, ports, getState, post, signal),
    () => PROCESS_EVERY_MS,
  );
  let last = { ...paceNow(), deadline: deadlineOf(getState()) };

  return {
    start() {
      for (const poller of [...looks.values(), ...counts.values(), app]) poller.kick();
    },
    poll: (balancer) => looks.get(balancer)?.kick(),
    count: (source) => counts.get(source)?.confirm(),
    countEveryMs: () =>
      Object.fromEntries(
        ports.sources.map(({ name, minPauseMs }) => [
          name,
          Math.max(paceNow().sources, minPauseMs?.(leftMs()) ?? 0),
        ]),
      ),
    reschedule() {
      const now = { ...paceNow(), deadline: deadlineOf(getState()) };
      if (now.balancers < last.balancers) for (const poller of looks.values()) poller.kick();
      if (now.sources < last.sources || now.deadline < last.deadline)
        for (const poller of counts.values()) poller.kick();
      last = now;
    },
    stop() {
      for (const poller of [...looks.values(), ...counts.values(), app]) poller.stop();
    },
  };
}

/** Polls one balancer, more slowly while it does not answer. */
function createBalancerPoller(
  { clock, random }: Ports,
  ask: () => Promise<UnstampedEvent>,
  everyMs: () => number,
  post: (event: UnstampedEvent) => void,
): Poller {
  const backoff = createBackoff(random);
  const spread = createSpread(random);
  const poll = async (): Promise<void> => {
    const event = await ask();
    if (event.type === 'poll-failed') backoff.failed();
    else backoff.answered();
    post(event);
  };
  return createPoller(clock, poll, () => spread(everyMs()), backoff.pauseMs);
}

/** Of the operation that waits for zero, in monotonic milliseconds; Infinity where none does. */
function deadlineOf({ op, phase }: State): number {
  return op !== null && isOutward(phase) ? op.deadline : Infinity;
}

function byName<T extends { readonly name: string }>(
  all: readonly T[],
  make: (one: T) => Poller,
): Map<string, Poller> {
  return new Map(all.map((one) => [one.name, make(one)]));
}

/** What a poll must return in the present state: see `Balancer.look`. */
function termsOf(policy: Policy, state: State): LookTerms {
  return [countsPast(state) ? 'count' : 'leave', lookScope(policy, state)];
}

type LookTerms = Parameters<Balancer['look']> extends [unknown, ...infer Terms] ? Required<Terms> : never;

async function look(
  { clock }: Ports,
  balancer: Balancer,
  terms: LookTerms,
  signal: AbortSignal,
): Promise<UnstampedEvent> {
  const startedAt = clock.now();
  try {
    return {
      type: 'polled',
      balancer: balancer.name,
      look: await balancer.look(signal, ...terms),
      startedAt,
    };
  } catch (error) {
    return { type: 'poll-failed', balancer: balancer.name, error: errorText(error) };
  }
}

async function count({ clock }: Ports, source: Source, signal: AbortSignal): Promise<UnstampedEvent> {
  const startedAt = clock.now();
  try {
    return { type: 'counted', source: source.name, count: await source.count(signal), startedAt };
  } catch (error) {
    return { type: 'count-failed', source: source.name, error: errorText(error), startedAt };
  }
}
