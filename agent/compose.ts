import { createAgentCheckServer, type AgentCheckServer } from './balancers/agent-check/server.ts';
import { createAgentCheckWriter } from './balancers/agent-check/runtime-writer.ts';
import { createPollerBalancer } from './balancers/agent-check/poll-only.ts';
import type { Balancer } from './balancers/balancer.ts';
import { createHealthServer, type HealthServer } from './balancers/health-port/server.ts';
import type { NodeState } from './balancers/health-port/answer.ts';
import { createHealthBalancer } from './balancers/health-port/poll-only.ts';
import { createRuntimeBalancer } from './balancers/runtime-api/driver.ts';
import type { Config } from './config/config.ts';
import { createEngine, type Engine } from './engine/engine.ts';
import { createLastRuns, type LastRuns } from './engine/last-runs.ts';
import type { Ports } from './engine/ports.ts';
import { createLock } from './fleet/create.ts';
import { createGateKeeper, createWarner } from './hooks/hooks.ts';
import { parseAddress } from './haproxy/address.ts';
import { createClient } from './haproxy/client.ts';
import type { Journal } from './journal/journal.ts';
import { PHASES, type PhaseTraits } from './lifecycle/model/phase.ts';
import type { Policy } from './lifecycle/model/policy.ts';
import { poolOf } from './pool-policy.ts';
import { probedPort, probingOf } from './probing.ts';
import { withServedPorts } from './same-process.ts';
import { SOURCE_KINDS, type SourceKind } from './config/source-config.ts';
import { type ConfiguredSource, createSources } from './sessions/create.ts';
import type { HaproxyTarget } from './sessions/haproxy-target.ts';
import type { Child } from './app/child.ts';
import { createStopper } from './app/create.ts';
import type { RunningStopRecord } from './app/running-stop-record.ts';
import { createPidFileRecords, type PidFileRecords } from './app/pid-file-record.ts';
import { createStarter } from './app/command-starter.ts';
import type { Starter, Stopper } from './app/contracts.ts';
import { createRebooter } from './app/rebooter.ts';
import { nodesInService } from './control/machine.ts';
import type { Clock } from './system/clock.ts';
import { LastcallError } from './system/error.ts';
import type { ListenSockets } from './system/listen-sockets.ts';
import type { Log } from './system/log-port.ts';
import { bootId } from './system/process.ts';

/** Puts real drivers into the engine's ports, as configured. */

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
  readonly balancers: readonly Balancer[];
  /** The application as our child; it then starts and stops itself. */
  readonly child: Child | null;
  /** Where a stop command is written down, so that it may outlive us; absent in direct mode. */
  readonly stops?: RunningStopRecord;
  /** When the pid file was seen first, by any sidecar; absent in direct mode. */
  readonly pidFiles?: PidFileRecords;
  /** The calendar's; outlives the engine. Absent in direct mode, which has no calendar. */
  readonly lastRuns?: LastRuns;
  /** Direct mode: `ready` is the operator's own command. */
  readonly direct: boolean;
}

/** How long systemd may take for the end of all units: it gives each 90 s, also where one waits for the other. */
const REBOOT_MS = 5 * 60_000;
/** How long one exchange with HAProxy may take: far above its usual millisecond, far below an operator's patience. */
const EXCHANGE_MS = 2_000;

/**
 * The engine for a configuration.
 * @throws LastcallError `config` for what only the drivers can check (an invalid URL)
 */
export function composeEngine(config: Config, parts: Parts, world: World): Engine {
  const { clock, log, searchPath } = world;
  const { start, stop } = config.app;
  const { stops, pidFiles = createPidFileRecords(bootId()), lastRuns = createLastRuns() } = parts;
  const appPorts = (signal: AbortSignal): Promise<number[]> => portsOf(config, parts.balancers, signal);
  const commands = { clock, searchPath, pidFiles, appPorts, ...(stops ? { stops } : {}) };
  const stopper = parts.child?.stopper ?? (stop && createStopper(stop, commands));
  const starter = parts.child?.starter ?? (start && createStarter(start, { clock, searchPath }));
  const sources = createSources(config.sessions, {
    clock,
    targets: targetsOf(config, clock),
    onWarning: (text) => log.warn(text),
  });
  const othersInService = nodesInService(config.listen.control.path, clock);
  const policy = policyOf(config, parts, { stopper, starter, sources });
  const place = (): PhaseTraits['place'] => PHASES[engine.status().phase].place;
  const probing = probingOf(config, world, {
    stopper,
    place,
    onVerdict: (verdict) => engine.probed(verdict),
  });
  const engine: Engine = createEngine(policy, {
    clock,
    random: Math.random,
    log,
    balancers: parts.balancers.map((one) => withServedPorts(one, { stopper, stop, clock, log })),
    sources,
    stopper,
    starter,
    rebooter: parts.direct ? null : createRebooter({ clock, searchPath }, othersInService),
    identify: () => parts.child?.proof ?? null,
    probing,
    ...hooksOf(config, world),
    lock: createLock(config, { clock, log }),
    journal: parts.journal,
    lastRuns,
    bootId: bootId(),
  });
  return engine;
}

/** The ports of the probe and of the node's servers, as far as their balancers answer. */
async function portsOf(
  { app }: Config,
  balancers: readonly Balancer[],
  signal: AbortSignal,
): Promise<number[]> {
  const looks = await Promise.all(balancers.map((balancer) => balancer.look(signal).catch(() => null)));
  signal.throwIfAborted();
  const servers = looks.flatMap((look) => look?.servers ?? []);
  return [...servers.flatMap(({ address }) => address?.port ?? []), ...probedPort(app.probe?.how)];
}

function hooksOf(config: Config, { clock, env }: World): Pick<Ports, 'gate' | 'warners'> {
  const ports = { clock, env, node: config.node };
  const { gate, warn } = config.drain;
  return {
    gate: gate && createGateKeeper(gate, ports),
    warners: warn.map((hook) => createWarner(hook, ports)),
  };
}

/** Every HAProxy that the sources may ask; their questions do not wait for those of the balancers' drivers. */
export function targetsOf({ balancers }: Config, clock: Clock): HaproxyTarget[] {
  return balancers.flatMap((balancer) => {
    if (balancer.kind !== 'haproxy') return [];
    const { address, servers, tls } = balancer;
    return { client: createClient(address, parseAddress(address, 'config'), { clock, tls }), servers };
  });
}

/**
 * The balancers that the configuration names, one driver each, and the responders for those that poll.
 * @param status of the engine that will drive them
 */
export function createBalancers(
  config: Config,
  { clock, log, sockets }: World & { readonly sockets?: ListenSockets },
  status: () => NodeState,
): Balancers {
  const polls = { clock, log, ...(sockets ? { sockets } : {}) };
  const { agentCheck, health } = config.listen;
  const healthy = (): boolean => status().health === 'up';
  // Without a probe the application counts as healthy.
  const node = (): NodeState => (config.app.probe ? status() : { ...status(), health: 'up' });
  const healthServer = health && createHealthServer(health, { ...polls, node });
  const server = agentCheck && createAgentCheckServer(agentCheck, { ...polls, healthy });
  const balancers = config.balancers.map((balancer) => {
    const polled = (): AgentCheckServer => server ?? neverPolled('agentCheck');
    if (balancer.kind === 'health')
      return createHealthBalancer(balancer, { server: healthServer ?? neverPolled('health'), clock, node });
    if (balancer.kind === 'agentCheck')
      return createPollerBalancer(balancer, { server: polled(), clock, healthy });
    const readOnly = balancer.writer === 'agent-check';
    const options = { ...balancer, timeoutMs: EXCHANGE_MS, readOnly };
    const runtime = createRuntimeBalancer(options, { clock, onWarning: (text) => log.warn(text) });
    return readOnly
      ? createAgentCheckWriter(balancer, { reader: runtime, server: polled(), clock })
      : runtime;
  });
  return { balancers, server, healthServer };
}

export interface Balancers {
  readonly balancers: readonly Balancer[];
  /** Where HAProxys poll us; null without such a port. */
  readonly server: AgentCheckServer | null;
  /** The same for the health port. */
  readonly healthServer: HealthServer | null;
}

function neverPolled(key: 'agentCheck' | 'health'): never {
  throw new LastcallError('config', `a balancer only polls us, and listen.${key} is missing`, {
    next: `add listen.${key}`,
  });
}

interface Means {
  readonly stopper: Stopper | null;
  readonly starter: Starter | null;
  readonly sources: readonly ConfiguredSource[];
}

function policyOf(
  config: Config,
  { balancers, child, direct }: Parts,
  { stopper, starter, sources }: Means,
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
    pool: poolOf(config),
  };
}
