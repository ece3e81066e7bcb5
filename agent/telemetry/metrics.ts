import type { Registry } from 'prom-client';
import type { Service } from '../engine/service.ts';
import type { Status } from '../lifecycle/model/api.ts';
import { isOut, PHASES } from '../lifecycle/model/phase.ts';
import type { Clock } from '../system/clock.ts';
import type { LabelledCounts, Samples } from '../system/labelled-counts.ts';
import { withObserver } from './service-observer.ts';

/** Seconds: from a node without users to a working day of them. */
const BUCKETS = [1, 5, 15, 60, 300, 900, 1_800, 3_600, 7_200, 14_400, 28_800];

const SCHEDULE_HELP =
  'Runs of the schedule: a result code, or not-due, missed, overlap, repeated, given-up where nothing was asked for.';

export interface MetricsPorts {
  readonly clock: Clock;
  /** Answers given to pollers so far, by answer, read at each scrape; null without a port for pollers. */
  readonly agentChecks: ReadonlyMap<string, number> | null;
  readonly healthChecks: ReadonlyMap<string, number> | null;
  /** The runs of the calendar, by `do` and `outcome`. */
  readonly scheduleRuns: Pick<LabelledCounts<never>, 'samples'>;
  /** The calls of `hooks`, by `hook` and `outcome`. */
  readonly hookRuns: Pick<LabelledCounts<never>, 'samples'>;
}

export interface Metrics {
  /** The service to use from now on, whose operations are counted. */
  readonly service: Service;
  /** The metrics in Prometheus' text format. An unknown value has no sample, and is never zero. */
  text(): Promise<string>;
  readonly contentType: string;
}

/** prom-client costs 13 MB of memory, so it is loaded only where `listen.metrics` is configured. */
export async function createMetrics(service: Service, ports: MetricsPorts): Promise<Metrics> {
  // It is CommonJS: a bundle gives its exports no names.
  const prom = (await import('prom-client')).default;
  const { Counter, Histogram } = prom;
  const registry = new prom.Registry();
  const registers = [registry];
  const { gauge, counter } = instruments(prom, registry, service);
  gauge('lastcall_phase', 'The phase of the node: 1 for the one it is in.', ['phase'], phaseSamples);
  gauge('lastcall_sessions', 'Users on the node, by session source.', ['source'], sessionSamples);
  gauge('lastcall_balancer_up', 'Whether the balancer answers.', ['balancer'], balancerSamples);
  gauge('lastcall_alarms', 'Alarms that need an operator now.', [], ({ alarms }) => [[{}, alarms.length]]);
  const outing = createOuting(ports.clock);
  gauge('lastcall_drain_age_seconds', 'Seconds since the drain began.', [], () => outing.age());
  counter('lastcall_reasserts_total', 'States that a balancer had lost and that were set again.', [], () => [
    [{}, service.status().reasserts.count],
  ]);
  const slowest =
    'Longest time until a lost state was restored, from the last poll that showed it to the read-back.';
  gauge('lastcall_reassert_slowest_seconds', slowest, [], ({ reasserts }) =>
    reasserts.count === 0 ? [] : [[{}, reasserts.slowestSeconds]],
  );
  const answersOf = (who: 'agentChecks' | 'healthChecks') => (): Samples =>
    // To Prometheus an empty label is a missing one.
    [...(ports[who] ?? [])].map(([answer, count]) => [{ answer: answer || 'neutral' }, count]);
  counter('lastcall_agent_checks_total', 'Agent-checks answered.', ['answer'], answersOf('agentChecks'));
  counter('lastcall_health_checks_total', 'Health polls answered.', ['answer'], answersOf('healthChecks'));
  counter('lastcall_schedule_runs_total', SCHEDULE_HELP, ['do', 'outcome'], () =>
    ports.scheduleRuns.samples(),
  );
  const hooksHelp = 'Calls of a hook for a phase: done, failed, or dropped because the hook was too slow.';
  counter('lastcall_hook_runs_total', hooksHelp, ['hook', 'outcome'], () => ports.hookRuns.samples());
  const operations = new Counter({
    name: 'lastcall_operations_total',
    help: 'Operations ended or refused.',
    labelNames: ['operation', 'code'],
    registers,
  });
  const drains = new Histogram({
    name: 'lastcall_drain_seconds',
    help: 'Duration of a drain, until the node was empty.',
    buckets: BUCKETS,
    registers,
  });

  const watched = withObserver(service, {
    ended({ operation, code, plan }) {
      if (plan === undefined) operations.inc({ operation, code });
    },
  });
  const see = (status: Status): void => {
    const seconds = outing.see(status);
    if (seconds !== null) drains.observe(seconds);
  };
  see(service.status());
  service.watch({ status: see, result: () => undefined });
  return { service: watched, text: () => registry.metrics(), contentType: typeOf(registry) };
}

/** Instruments whose samples are read from the service at each scrape. */
function instruments(prom: Prom, registry: Registry, service: Service): Instruments {
  const registers = [registry];
  return {
    gauge: (name, help, labelNames, samples) =>
      void new prom.Gauge({
        name,
        help,
        labelNames,
        registers,
        collect() {
          this.reset();
          // A gauge without labels would be 0 from its reset on, which was never measured.
          if (labelNames.length === 0) this.remove();
          for (const [labels, value] of samples(service.status())) this.set(labels, value);
        },
      }),
    counter: (name, help, labelNames, samples) =>
      void new prom.Counter({
        name,
        help,
        labelNames,
        registers,
        collect() {
          this.reset();
          for (const [labels, value] of samples()) this.inc(labels, value);
        },
      }),
  };
}

type Prom = typeof import('prom-client');

interface Instruments {
  readonly gauge: (
    name: string,
    help: string,
    labelNames: string[],
    samples: (status: Status) => Samples,
  ) => void;
  readonly counter: (name: string, help: string, labelNames: string[], samples: () => Samples) => void;
}

function typeOf(registry: Registry): string {
  return registry.contentType;
}

function phaseSamples({ phase }: Status): Samples {
  return Object.keys(PHASES).map((name) => [{ phase: name }, name === phase ? 1 : 0]);
}

function sessionSamples({ sessions, balancers }: Status): Samples {
  const counted: Samples = sessions.sources.flatMap(({ name, count }) =>
    count === null ? [] : [[{ source: name }, count] as const],
  );
  const connections = connectionsOf(balancers);
  return connections === null ? counted : [...counted, [{ source: 'connections' }, connections]];
}

/** The sum over the balancers that count: one that only polls has no worker and no number. */
function connectionsOf(balancers: Status['balancers']): number | null {
  const counting = balancers.filter(({ pid, reachable }) => pid !== null || !reachable);
  const servers = counting.flatMap((balancer) => balancer.servers);
  if (servers.length === 0) return null;
  return servers.reduce<number | null>(
    (sum, { connections, queued }) =>
      sum === null || connections === null || queued === null ? null : sum + connections + queued,
    0,
  );
}

/** Before the first look nothing is known of it. */
function balancerSamples({ balancers }: Status): Samples {
  return balancers.flatMap(({ name, reachable, error }): Samples =>
    reachable || error !== null ? [[{ balancer: name }, reachable ? 1 : 0]] : [],
  );
}

interface OutingTimer {
  /** Takes in a status; returns how many seconds the drain took that has just ended, else null. */
  see(status: Status): number | null;
  age(): Samples;
}

/** From the first phase outward to the first one back. */
function createOuting(clock: Clock): OutingTimer {
  let since: number | null = null;
  let arrived = false;
  return {
    see({ phase, operation, since: at }) {
      const { waits, over } = PHASES[phase];
      if (!isOut(phase)) {
        since = null;
        arrived = false;
      }
      if (!waits && !over) return null;
      const fresh = since === null;
      since ??=
        clock.now() - Math.max(0, (operation?.seconds ?? 0) * 1_000, clock.wall().getTime() - Date.parse(at));
      if (arrived || !over) return null;
      arrived = true;
      // Found at its end by a sidecar that has just begun: how long it took is not known.
      return fresh ? null : (clock.now() - since) / 1_000;
    },
    age: () => (since === null ? [] : [[{}, (clock.now() - since) / 1_000]]),
  };
}
