import { cancelOf, isUnderWay } from '../lifecycle/phases/cancel.ts';
import type { Request } from '../lifecycle/model/api.ts';
import { proofIn } from '../lifecycle/recovery/read-record.ts';
import type { Policy } from '../lifecycle/model/policy.ts';
import { allInSync, notInSync } from '../lifecycle/sync/reconcile.ts';
import type { Proof } from '../lifecycle/model/observation.ts';
import { sleep } from '../system/clock.ts';
import { LastcallError } from '../system/error.ts';
import type { Verdict } from '../probes/verdict.ts';
import { createConnectionReport } from './connection-report.ts';
import { type LifecycleRunner, createLifecycleRunner } from './lifecycle-runner.ts';
import { NO_SIGNS } from './life-signs.ts';
import { createPoolReport } from './pool-report.ts';
import type { Ports } from './ports.ts';
import type { Service } from './service.ts';
import { unlock } from './unlock.ts';

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
  /** Resolves once the record has shown what was under way: no operation can be answered before that. */
  readonly ready: Promise<void>;
  /** A verdict of the prober; `signedOut` null = unchanged. */
  probed(verdict: Pick<Verdict, 'health' | 'startedAt'> & { readonly signedOut: boolean | null }): void;
  /** The supervised application has ended. */
  appGone(): void;
  /** A second signal: the operation that is under way forces at once. */
  readonly forceNow: () => void;
  /**
   * Resolves once every balancer shows what is wanted of it, or two seconds later, with a warning for each server that
   * does not: without the MAINT that is on its way users would be sent to an application that has ended.
   */
  readonly untilInSync: () => Promise<void>;
  /** Resolves once no stop and no start of the application is under way: at once, where none is. */
  readonly commandsEnded: () => Promise<void>;
  /** Ends all polls and aborts what is under way. The balancers stay as they are. */
  close(): Promise<void>;
}

/** The time for the last write to HAProxy, in milliseconds. */
const LAST_WRITE_MS = 2_000;

/**
 * Interprets the lifecycle: one mailbox, in which events are stepped one after the other, and the effects they ask
 * for, each of which comes back as one event. Decides nothing.
 */
export function createEngine(policy: Policy, ports: Ports): Engine {
  const closing = new AbortController();
  const { signal } = closing;
  const runner = createLifecycleRunner(policy, ports, signal);
  const { requests, post } = runner;
  let begin = (): void => undefined;
  const ready = new Promise<void>((resolve) => (begin = resolve));
  const whyNot = (name: string): string | null => runner.state().balancers[name]?.error ?? null;
  return {
    async start(supervise) {
      await boot(runner, ports, signal, supervise);
      begin();
      runner.pollers.start();
    },
    ready,
    submit: (request: Request) => requests.submit(request, () => post({ type: 'submit', request })),
    result: (id) => requests.result(id) ?? (isUnderWay(runner.state(), id) ? 'running' : undefined),
    cancel(id, by) {
      const answer = cancelOf(runner.state(), id);
      if (answer === 'cancelling') post({ type: 'cancel', id, by });
      return answer;
    },
    status: runner.status,
    watch: requests.watch,
    unlock: (request) => unlock(ports.lock, request, signal),
    holders: createConnectionReport(ports, whyNot, signal),
    pool: createPoolReport(ports, policy.pool?.name ?? '', whyNot, signal),
    probed: ({ health, signedOut, startedAt }) => post({ type: 'probed', health, signedOut, startedAt }),
    appGone: () => post({ type: 'app-gone', signs: NO_SIGNS }),
    forceNow: () => post({ type: 'force-now' }),
    untilInSync: () => untilInSync(runner, policy, ports, signal),
    commandsEnded: () => runner.work.commandsEnded(),
    async close() {
      runner.cancelTimer();
      runner.pollers.stop();
      closing.abort(new LastcallError('interrupted', 'lastcall is ending'));
      await runner.work.allEnded();
      await ports.probing?.prober.close();
      await ports.lock?.close();
    },
  };
}

/** Reads the record and posts the first event. */
async function boot(
  { file, tuned, requests, post }: LifecycleRunner,
  ports: Ports,
  signal: AbortSignal,
  supervise: Supervise | undefined,
): Promise<void> {
  const { file: before, alarm } = await file.load(signal);
  tuned.resume(before?.found ?? {});
  requests.resume(before?.results ?? []);
  const sameBoot = before?.boot === ports.bootId;
  const recorded = sameBoot ? proofIn(before?.record) : null;
  const app = supervise ? await supervise(recorded) : { fresh: false, proof: null };
  const record = before && (before.record ?? {});
  post({ type: 'booted', record, sameBoot, ...app, alarm });
}

async function untilInSync(
  runner: LifecycleRunner,
  policy: Policy,
  { clock, log }: Ports,
  signal: AbortSignal,
): Promise<void> {
  const inSync = async (): Promise<void> => {
    while (!allInSync(policy, runner.state())) await runner.settled();
  };
  const patience = sleep(clock, LAST_WRITE_MS, signal).catch(() => undefined);
  await Promise.race([inSync(), patience]);
  for (const { balancerName, name, target } of notInSync(policy, runner.state())) {
    const missing = `${balancerName}: ${name} was not seen in ${target?.toUpperCase()} within ${LAST_WRITE_MS} ms`;
    log.warn(`${missing}; it will be set again at the next start; until then HAProxy may route users to it`, {
      node: policy.node,
    });
  }
}
