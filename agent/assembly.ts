import type { AgentCheckServer } from './balancers/agent-check/server.ts';
import { composeEngine, type World } from './compose.ts';
import type { Config } from './config/config.ts';
import { createBalancers, driversOf } from './drivers.ts';
import type { Engine } from './engine/engine.ts';
import type { DueRuns } from './engine/due-runs.ts';
import type { LastRuns } from './engine/last-runs.ts';
import type { MissedRun } from './engine/missed-runs.ts';
import { createSchedule, type Schedule, type ScheduleCounts } from './engine/schedule.ts';
import { operate } from './engine/operate.ts';
import type { Service } from './engine/service.ts';
import { createCondition } from './hooks/condition.ts';
import type { Journal } from './journal/journal.ts';
import type { Request, Result } from './lifecycle/model/api.ts';
import { OWN_TERMS } from './lifecycle/model/policy.ts';
import type { Child } from './app/child.ts';
import type { RunningStopRecord } from './app/running-stop-record.ts';
import type { PidFileRecords } from './app/pid-file-record.ts';
import type { ListenPlace } from './system/listen-error.ts';
import type { ListenSockets } from './system/listen-sockets.ts';
import { randomId } from './system/random-id.ts';

/** All that a configuration makes: the engine, the servers that balancers poll, the calendar. */
export interface Assembly {
  readonly config: Config;
  readonly engine: Engine;
  /** Answers so far, for the metrics; null without a port for pollers. */
  readonly agentChecks: AgentCheckServer['answers'] | null;
  readonly healthChecks: ReadonlyMap<string, number> | null;
  /** What an operator has to know of the calendar. */
  readonly alarms: readonly string[];
  /** Takes the addresses that its servers answer at. @throws LastcallError as `ListenSockets.open` */
  listen(): Promise<void>;
  /** Begins to keep the calendar. */
  begin(service: Service): void;
  /** Leaves everything as it is: nothing is written to HAProxy, nothing is stopped. */
  close(): Promise<void>;
}

export interface AssemblyParts {
  readonly journal: Journal;
  readonly child: Child | null;
  readonly stops: RunningStopRecord;
  readonly pidFiles: PidFileRecords;
  readonly sockets: ListenSockets;
  /** Counts of the outcomes of the calendar's runs; outlive the assembly. */
  readonly scheduleRuns: ScheduleCounts;
  /** When the calendar rebooted the machine last; outlives the assembly, which may end before its first record. */
  readonly lastRuns: LastRuns;
  /** Which run of the calendar is next, on disk; outlives the assembly. */
  readonly dueRuns: DueRuns;
  readonly onMissed: (run: MissedRun) => void;
}

/**
 * @returns what has not begun yet, but for the probe
 * @throws LastcallError `config` for what only the drivers can check (an invalid URL, a time zone)
 */
export function assemble(config: Config, parts: AssemblyParts, world: World): Assembly {
  let service: Service | null = null;
  const schedule = scheduleOf(config, parts, world, (request) => operate(service ?? engine, request));
  const { sockets } = parts;
  const { balancers, server, healthServer } = createBalancers(config, { ...world, sockets }, () =>
    engine.status(),
  );
  const all = { ...parts, balancers, direct: false };
  const engine: Engine = composeEngine(config, all, driversOf(config, all, world), world);
  return {
    config,
    engine,
    agentChecks: server?.answers ?? null,
    healthChecks: healthServer?.answers ?? null,
    get alarms() {
      return schedule.alarms;
    },
    async listen() {
      await server?.listen();
      await healthServer?.listen();
    },
    begin(asked) {
      service = asked;
      schedule.start();
    },
    async close() {
      schedule.close();
      await engine.close();
      await server?.close();
      await healthServer?.close();
    },
  };
}

function scheduleOf(
  { schedule, node, drain }: Config,
  { scheduleRuns, lastRuns, dueRuns, onMissed }: AssemblyParts,
  { clock, env, log }: World,
  submit: (request: Request) => Promise<Result>,
): Schedule {
  return createSchedule(schedule, {
    clock,
    random: Math.random,
    log,
    runs: scheduleRuns,
    lastRuns,
    dueRuns,
    onMissed,
    condition: ({ when }) => when && createCondition(when, { clock, env, node }),
    // A scheduled operation waits for a slot of its pool for as long as it may drain.
    submit: (kind, reason) =>
      submit({
        ...OWN_TERMS,
        id: randomId(),
        kind,
        reason,
        by: 'schedule',
        waitForSlotMs: drain.timeoutMs,
      }),
  });
}

/** Where balancers poll us by this configuration. */
export function polledAddresses({ listen }: Config): ListenPlace[] {
  return (['agentCheck', 'health'] as const).flatMap((name) => {
    const address = listen[name];
    return address === null ? [] : [{ host: address.host, port: address.port, key: `listen.${name}` }];
  });
}
