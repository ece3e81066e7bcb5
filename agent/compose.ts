import type { Balancer } from './balancers/balancer.ts';
import { createRuntimeBalancer } from './balancers/runtime-api/driver.ts';
import type { Config, HaproxyConfig } from './config/config.ts';
import { createEngine, type Engine } from './engine/engine.ts';
import { createLastRuns, type LastRuns } from './engine/last-runs.ts';
import type { Ports } from './engine/ports.ts';
import type { Journal } from './journal/journal.ts';
import { PHASES, type PhaseTraits } from './lifecycle/model/phase.ts';
import type { Policy, PoolPolicy } from './lifecycle/model/policy.ts';
import { probingOf } from './probing.ts';
import { SOURCE_KINDS, type SourceKind } from './config/source-config.ts';
import type { ConfiguredSource } from './sessions/create.ts';
import type { Child } from './app/child.ts';
import type { Clock } from './system/clock.ts';
import type { Log } from './system/log-port.ts';
import { bootId } from './system/process.ts';

/** The engine of a configuration. Its drivers are given: direct mode needs few, and loads no others. */

export interface World {
  readonly clock: Clock;
  readonly log: Log;
  /** PATH of the environment, in which programs are looked up. */
  readonly searchPath: string | undefined;
  /** The environment that the operator's own commands get. */
  readonly env: Readonly<Record<string, string | undefined>>;
}

export interface Parts {
  readonly journal: Journal;
  /** The application as our child; it then starts and stops itself. */
  readonly child: Child | null;
  /** The calendar's; outlives the engine. Absent in direct mode, which has no calendar. */
  readonly lastRuns?: LastRuns;
  /** Direct mode: `ready` is the operator's own command. */
  readonly direct: boolean;
}

/** The ports that the configuration decides. */
export interface Drivers extends Pick<
  Ports,
  'balancers' | 'stopper' | 'starter' | 'rebooter' | 'gate' | 'warners' | 'lock'
> {
  readonly sources: readonly ConfiguredSource[];
  /** The pool whose lock is `lock`. */
  readonly pool: PoolPolicy | null;
}

/** The drivers of a configuration that names nothing but its balancers. */
export function onlyBalancers(balancers: readonly Balancer[]): Drivers {
  return {
    balancers,
    stopper: null,
    starter: null,
    rebooter: null,
    sources: [],
    gate: null,
    warners: [],
    lock: null,
    pool: null,
  };
}

/** How long systemd may take for the end of all units: it gives each 90 s, also where one waits for the other. */
const REBOOT_MS = 5 * 60_000;
/** How long one exchange with HAProxy may take: far above its usual millisecond, far below an operator's patience. */
const EXCHANGE_MS = 2_000;

/** The driver of a HAProxy that is asked by its Runtime API. */
export function createRuntime(
  { writer, ...balancer }: HaproxyConfig,
  { clock, log }: Pick<World, 'clock' | 'log'>,
): Balancer {
  const options = { ...balancer, timeoutMs: EXCHANGE_MS, readOnly: writer === 'agent-check' };
  return createRuntimeBalancer(options, { clock, onWarning: (text) => log.warn(text) });
}

/**
 * The engine for a configuration.
 * @throws LastcallError `config` for what only the drivers can check (an invalid URL)
 */
export function composeEngine(config: Config, parts: Parts, drivers: Drivers, world: World): Engine {
  const { clock, log } = world;
  const policy = policyOf(config, parts, drivers);
  const place = (): PhaseTraits['place'] => PHASES[engine.status().phase].place;
  const probing = probingOf(config, world, {
    stopper: drivers.stopper,
    place,
    onVerdict: (verdict) => engine.probed(verdict),
  });
  const engine: Engine = createEngine(policy, {
    clock,
    random: Math.random,
    log,
    ...drivers,
    identify: () => parts.child?.proof ?? null,
    probing,
    journal: parts.journal,
    lastRuns: parts.lastRuns ?? createLastRuns(),
    bootId: bootId(),
  });
  return engine;
}

function policyOf(
  config: Config,
  { child, direct }: Parts,
  { balancers, stopper, starter, sources, pool }: Drivers,
): Policy {
  const { timeoutMs, onTimeout, quietMs, quietExplicit, keep, keepBackups, expiresMs } = config.drain;
  const sourcesThat = (are: (kind: SourceKind) => boolean): string[] =>
    sources.filter(({ kind }) => are(SOURCE_KINDS[kind])).map(({ name }) => name);
  return {
    node: config.node,
    balancers: balancers.map((balancer) => ({
      name: balancer.name,
      servers: balancer.servers,
      counts: balancer.counts,
      weighs: balancer.setWeight !== undefined,
      seesOldWorkers: balancer.seesOldWorkers,
      setsListedOnly: balancer.putBack === undefined,
    })),
    sources: sources.map(({ name }) => name),
    userSources: sourcesThat(({ counts }) => counts === 'users'),
    appSources: sourcesThat(({ asksApp }) => asksApp),
    kernelSource: sourcesThat(({ counts }) => counts === 'connections')[0] ?? null,
    unreachable: config.unreachable,
    foreignDrain: config.foreignDrain,
    reloadGraceMs: config.reloadGraceMs,
    hasGate: config.drain.gate !== null,
    reloadsKeepState: config.balancers.every(
      (balancer) => balancer.kind === 'haproxy' && balancer.stateFile !== null,
    ),
    warnBeforeMs: config.drain.warn.map(({ beforeMs }) => beforeMs),
    closePerSecond: config.drain.closePerSecond,
    sticky: config.sticky,
    quietMs,
    quietExplicit,
    keep,
    keepBackups,
    ignoreServers: config.ignoreServers,
    timeoutMs,
    onTimeout,
    returnMs: config.return.timeoutMs,
    rebootMs: REBOOT_MS,
    warmUpMs: config.return.warmUpMs,
    soakMs: config.return.soakMs,
    expiresMs,
    hasProbe: config.app.probe !== null,
    canStop: stopper !== null,
    canStart: starter !== null,
    stopIsIdempotent: stopper?.isIdempotent ?? false,
    stopProves: stopper?.proves ?? false,
    onSignOut: config.app.onSignOut,
    adopt: config.adopt ?? child !== null,
    readyTakesOver: direct,
    supervises: child !== null,
    pool,
  };
}
