import { cancelOf, isUnderWay } from '../lifecycle/phases/cancel.ts';
import type { Effect } from '../lifecycle/model/effect.ts';
import type { Event } from '../lifecycle/model/event.ts';
import type { Request, Status } from '../lifecycle/model/api.ts';
import { proofIn } from '../lifecycle/recovery/read-record.ts';
import { isAskedOften, nextDeadline } from '../lifecycle/timing.ts';
import type { Policy } from '../lifecycle/model/policy.ts';
import { allInSync, notInSync } from '../lifecycle/sync/reconcile.ts';
import { initial, type State } from '../lifecycle/model/state.ts';
import type { Proof } from '../lifecycle/model/observation.ts';
import { statusOf } from '../lifecycle/report/status.ts';
import { step } from '../lifecycle/step.ts';
import { sleep } from '../system/clock.ts';
import { LastcallError } from '../system/error.ts';
import type { Verdict } from '../probes/verdict.ts';
import { createRequestTracker } from './request-tracker.ts';
import { createConnectionReport } from './connection-report.ts';
import { NO_SIGNS } from './life-signs.ts';
import { createForecaster } from './forecast.ts';
import { type UnstampedEvent, runEffect } from './run-effect.ts';
import { createTunedSources } from './source-tuning.ts';
import { createPollers } from './pollers.ts';
import type { Ports } from './ports.ts';
import { logResult } from './result-log.ts';
import type { Service } from './service.ts';
import { createStateFile } from './state-file.ts';

/** Takes up or starts the application: which process it is, and whether it was started just now. */
export type Supervise = (
  proof: Proof | null,
) => Promise<{ readonly fresh: boolean; readonly proof: Proof | null }>;

/** The engine as its composer sees it. */
export interface Engine extends Service {
  /**
   * Reads the record, polls every balancer and source once, and goes on with what was under way.
   * @param supervise under `run -- COMMAND`: takes up the application that the record proves, or starts it afresh
   * @throws LastcallError `app-health` when it cannot be started,
   * @throws LastcallError `state-write` when the record cannot be read
   */
  start(supervise?: Supervise): Promise<void>;
  /** Resolves once it is known again what was under way: no operation can be answered before that. */
  readonly ready: Promise<void>;
  /** The prober's news; `signedOut` null = nothing new of that. */
  probed(verdict: Pick<Verdict, 'health' | 'begun'> & { readonly signedOut: boolean | null }): void;
  /** The supervised application has ended. */
  appGone(): void;
  /** A second signal: no more patience. */
  readonly forceNow: () => void;
  /**
   * Resolves once every balancer shows what is wanted of it, or two seconds later, with a warning for each server that
   * does not: without the MAINT that is on its way users would be sent to an application that has ended.
   */
  readonly untilInSync: () => Promise<void>;
  /** Resolves once no stop and no start of the application is under way: at once, where none is. */
  readonly commandsEnded: () => Promise<void>;
  /** Ends all polls and aborts what is under way. What is wanted of the balancers stays as it is. */
  close(): Promise<void>;
}

/** The time for the last write to HAProxy, in milliseconds. */
const LAST_WRITE_MS = 2_000;

/**
 * Interprets the lifecycle: one mailbox, in which events are stepped one after the other, and the effects they ask
 * for, each of which comes back as one event. Decides nothing.
 */
export function createEngine(policy: Policy, ports: Ports): Engine {
  const { clock, log } = ports;
  const closing = new AbortController();
  const running = new Set<Promise<void>>();
  /** Those of them that stop or start the application. */
  const commands = new Set<Promise<void>>();
  const mailbox: Event[] = [];
  let state: State = initial(policy, clock.now());
  let stepping = false;
  let cancelWake = (): void => undefined;
  let happened = (): void => undefined;
  let begin = (): void => undefined;
  const ready = new Promise<void>((resolve) => (begin = resolve));

  /** The clock that people read may be set at any time, so it is asked anew. */
  const iso = (at: number): string => new Date(clock.wall().getTime() - (clock.now() - at)).toISOString();
  const status = (): Status => {
    const now = clock.now();
    return statusOf(
      policy,
      state,
      {
        ...forecaster.forecast(state, now),
        everyMs: pollers.countEveryMs(),
        healthReason: ports.probing?.prober.verdict.reason ?? null,
      },
      now,
      iso,
    );
  };
  const forecaster = createForecaster(policy, ports.sources);
  const requests = createRequestTracker(status);
  const tuned = createTunedSources(ports.sources, log, closing.signal);
  const file = createStateFile({ ...ports, found: tuned.found });
  const pollers = createPollers(policy, ports, () => state, post, closing.signal);

  function post(unstamped: UnstampedEvent): void {
    if (closing.signal.aborted) return;
    mailbox.push({ ...unstamped, at: clock.now() });
    if (stepping) return;
    stepping = true;
    for (let event = mailbox.shift(); event; event = mailbox.shift()) handle(event);
    stepping = false;
    pollers.reschedule();
    tuned.follow(state);
    ports.probing?.prober.setPace(isAskedOften(state) ? 'warming' : 'normal');
    arm();
    happened();
  }

  function handle(event: Event): void {
    const before = state;
    const [after, effects] = step(policy, before, event);
    state = after;
    forecaster.record(state);
    if (after.phase !== before.phase) {
      log.info(`${before.phase} -> ${after.phase}`, {
        node: policy.node,
        operation: after.op?.id ?? null,
        on: event.type,
      });
    }
    for (const effect of effects) dispatch(effect);
    if (after !== before) requests.changed();
  }

  function dispatch(effect: Effect): void {
    switch (effect.type) {
      case 'poll':
        return pollers.poll(effect.balancer);
      case 'count':
        return pollers.count(effect.source);
      case 'reset-probe':
        return ports.probing?.prober.reset();
      case 'log':
        return log[effect.level](effect.text, { node: policy.node });
      case 'reply':
        return requests.reply(effect);
      case 'finish':
        return finish(effect);
      case 'persist':
      case 'survey':
      case 'check':
      case 'set-server':
      case 'close-connections':
      case 'stop':
      case 'check-stop':
      case 'look-for-life':
      case 'start':
      case 'set-gate':
      case 'send-warning': {
        const done = runEffect({ ...ports, file }, effect, closing.signal).then(post);
        if (effect.type === 'stop' || effect.type === 'start') track(done, commands);
        return track(done, running);
      }
      default:
        return effect satisfies never;
    }
  }

  function track(done: Promise<void>, among: Set<Promise<void>>): void {
    among.add(done);
    void done.finally(() => among.delete(done));
  }

  /**
   * What has changed anything is on disk before a caller gets the result: a crash must not leave the caller in
   * doubt.
   */
  function finish(effect: Extract<Effect, { type: 'finish' }>): void {
    const { result, refused } = effect;
    logResult(log, result, refused);
    const kept = refused || result.plan !== undefined ? null : file.keep(result);
    if (kept !== null) track(kept, running);
    requests.finish(effect, kept);
  }

  /** One timer, always for the next thing that is due. */
  function arm(): void {
    cancelWake();
    const at = nextDeadline(policy, state, clock.now());
    cancelWake =
      at === null
        ? () => undefined
        : clock.after(Math.max(1, at - clock.now()), () => post({ type: 'tick' }));
  }

  async function untilConfirmed(): Promise<void> {
    while (!allInSync(policy, state)) await new Promise<void>((resolve) => (happened = resolve));
  }

  return {
    async start(supervise) {
      const { file: before, alarm } = await file.load(closing.signal);
      tuned.resume(before?.found ?? {});
      requests.resume(before?.results ?? []);
      const sameBoot = before?.boot === ports.bootId;
      const recorded = sameBoot ? proofIn(before?.record) : null;
      const app = supervise ? await supervise(recorded) : { fresh: false, proof: null };
      post({
        type: 'booted',
        record: before && (before.record ?? {}),
        sameBoot,
        ...app,
        alarm,
      });
      begin();
      pollers.start();
    },
    ready,
    submit: (request: Request) => requests.submit(request, () => post({ type: 'submit', request })),
    result: (id) => requests.result(id) ?? (isUnderWay(state, id) ? 'running' : undefined),
    cancel(id, by) {
      const answer = cancelOf(state, id);
      if (answer === 'cancelling') post({ type: 'cancel', id, by });
      return answer;
    },
    status,
    watch: requests.watch,
    holders: createConnectionReport(ports, (name) => state.balancers[name]?.error ?? null, closing.signal),
    probed: ({ health, signedOut, begun }) => post({ type: 'probed', health, signedOut, begun }),
    appGone: () => post({ type: 'app-gone', signs: NO_SIGNS }),
    forceNow: () => post({ type: 'force-now' }),
    async untilInSync() {
      const patience = sleep(clock, LAST_WRITE_MS, closing.signal).catch(() => undefined);
      await Promise.race([untilConfirmed(), patience]);
      for (const { balancerName, name, target } of notInSync(policy, state)) {
        const missing = `${balancerName}: ${name} was not seen in ${target?.toUpperCase()} within ${LAST_WRITE_MS} ms`;
        log.warn(
          `${missing}; it will be set again at the next start; until then HAProxy may route users to it`,
          {
            node: policy.node,
          },
        );
      }
    },
    async commandsEnded() {
      // A stop may be followed by a start.
      while (commands.size > 0) await Promise.all(commands);
    },
    async close() {
      cancelWake();
      pollers.stop();
      closing.abort(new LastcallError('interrupted', 'lastcall is ending'));
      await Promise.all(running);
      await ports.probing?.prober.close();
    },
  };
}
