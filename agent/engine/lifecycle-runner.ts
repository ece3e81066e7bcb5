import type { Status } from '../lifecycle/model/api.ts';
import type { Event } from '../lifecycle/model/event.ts';
import type { Policy } from '../lifecycle/model/policy.ts';
import { initial, type State } from '../lifecycle/model/state.ts';
import { statusOf } from '../lifecycle/report/status.ts';
import { step } from '../lifecycle/step.ts';
import { isAskedOften, nextDeadline } from '../lifecycle/timing.ts';
import type { Clock } from '../system/clock.ts';
import { createDispatch } from './dispatch.ts';
import { createForecaster, type Forecaster } from './forecast.ts';
import { createMailbox } from './mailbox.ts';
import { createPollers, type Pollers } from './pollers.ts';
import type { Ports } from './ports.ts';
import { createRequestTracker, type RequestTracker } from './request-tracker.ts';
import type { UnstampedEvent } from './run-effect.ts';
import { untilLockKnows } from './slot-at-lock.ts';
import { createTunedSources, type TunedSources } from './source-tuning.ts';
import { createStateFile, type StateFile } from './state-file.ts';
import { createRunningEffects, type RunningEffects } from './running-effects.ts';

/** The interpreter of the lifecycle: its state, its mailbox, and what carries its effects out. */
export interface LifecycleRunner {
  readonly requests: RequestTracker;
  readonly tuned: TunedSources;
  readonly file: StateFile;
  readonly pollers: Pollers;
  readonly work: RunningEffects;
  readonly post: (event: UnstampedEvent) => void;
  state(): State;
  readonly status: () => Status;
  /** Resolves when the mailbox is empty the next time. */
  settled(): Promise<void>;
  /** Stops the timer of the next deadline. */
  cancelTimer(): void;
}

/** @param signal ends all of it: events are dropped from then on */
export function createLifecycleRunner(policy: Policy, ports: Ports, signal: AbortSignal): LifecycleRunner {
  const { clock, log } = ports;
  let state: State = initial(policy, clock.now());
  const waiting = new Set<() => void>();
  const settled = (): Promise<void> => new Promise((resolve) => waiting.add(resolve));
  const forecaster = createForecaster(policy, ports.sources);
  const status = (): Status => statusNow(policy, ports, state, { forecaster, pollers });
  const requests = createRequestTracker(status);
  const tuned = createTunedSources(ports.sources, log, signal);
  const file = createStateFile({ ...ports, found: tuned.found });
  const post = createMailbox(clock, signal, { handle, onEmpty });
  const pollers = createPollers(policy, ports, () => state, post, signal);
  const work = createRunningEffects();
  const lockKnows = (): Promise<void> | null =>
    untilLockKnows({ state: () => state, settled }, clock, signal);
  const parts = { ports, pollers, requests, file, work, post, signal, lockKnows };
  const dispatch = createDispatch({ node: policy.node, ...parts });
  const timer = createTickTimer(clock, () => post({ type: 'tick' }));

  function handle(event: Event): void {
    const before = state;
    const [after, effects] = step(policy, before, event);
    state = after;
    forecaster.record(state);
    if (after.phase !== before.phase) {
      const about = { node: policy.node, operation: after.op?.id ?? null, on: event.type };
      log.info(`${before.phase} -> ${after.phase}`, about);
    }
    for (const effect of effects) dispatch(effect);
    if (after !== before) requests.changed();
  }

  function onEmpty(): void {
    pollers.reschedule();
    tuned.follow(state);
    ports.probing?.prober.setPace(isAskedOften(state) ? 'warming' : 'normal');
    timer.set(nextDeadline(policy, state, clock.now()));
    for (const resolve of waiting) resolve();
    waiting.clear();
  }

  return {
    requests,
    tuned,
    file,
    pollers,
    work,
    post,
    status,
    state: () => state,
    settled,
    cancelTimer: timer.cancel,
  };
}

/** One timer, always for the next thing that is due. */
function createTickTimer(
  clock: Clock,
  tick: () => void,
): { readonly set: (at: number | null) => void; readonly cancel: () => void } {
  let cancel = (): void => undefined;
  return {
    set(at) {
      cancel();
      cancel = at === null ? () => undefined : clock.after(Math.max(1, at - clock.now()), tick);
    },
    cancel: () => cancel(),
  };
}

/** What `status` shows now: the state with its forecast, and what only the pollers and the probe know. */
function statusNow(
  policy: Policy,
  { clock, probing }: Ports,
  state: State,
  { forecaster, pollers }: { forecaster: Forecaster; pollers: Pollers },
): Status {
  const now = clock.now();
  // The clock that people read may be set at any time, so it is read anew.
  const iso = (at: number): string => new Date(clock.wall().getTime() - (clock.now() - at)).toISOString();
  const known = { everyMs: pollers.countEveryMs(), healthReason: probing?.prober.verdict.reason ?? null };
  return statusOf(policy, state, { ...forecaster.forecast(state, now), ...known }, now, iso);
}
