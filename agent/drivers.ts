import { createAgentCheckServer, type AgentCheckServer } from './balancers/agent-check/server.ts';
import { createAgentCheckWriter } from './balancers/agent-check/runtime-writer.ts';
import { createPollerBalancer } from './balancers/agent-check/poll-only.ts';
import type { Balancer } from './balancers/balancer.ts';
import { createHealthServer, type HealthServer } from './balancers/health-port/server.ts';
import type { NodeState } from './balancers/health-port/answer.ts';
import { createHealthBalancer } from './balancers/health-port/poll-only.ts';
import { createRuntime, type Drivers, type World } from './compose.ts';
import type { Config } from './config/config.ts';
import type { Ports } from './engine/ports.ts';
import { createLock } from './fleet/create.ts';
import { createGateKeeper, createWarner } from './hooks/hooks.ts';
import { parseAddress } from './haproxy/address.ts';
import { createClient } from './haproxy/client.ts';
import { poolOf } from './pool-policy.ts';
import { probedPort } from './probing.ts';
import { withServedPorts } from './same-process.ts';
import { createSources } from './sessions/create.ts';
import type { HaproxyTarget } from './sessions/haproxy-target.ts';
import type { Child } from './app/child.ts';
import { createStopper } from './app/create.ts';
import type { RunningStopRecord } from './app/running-stop-record.ts';
import { createPidFileRecords, type PidFileRecords } from './app/pid-file-record.ts';
import { createStarter } from './app/command-starter.ts';
import { createRebooter } from './app/rebooter.ts';
import { nodesInService } from './control/machine.ts';
import type { Clock } from './system/clock.ts';
import { LastcallError } from './system/error.ts';
import type { ListenSockets } from './system/listen-sockets.ts';
import { bootId } from './system/process.ts';

/** Makes the drivers that a configuration names. */

export interface DriverParts {
  readonly balancers: readonly Balancer[];
  readonly child: Child | null;
  /** Where a stop command is written down, so that it may outlive us; absent in direct mode. */
  readonly stops?: RunningStopRecord;
  /** When the pid file was seen first, by any sidecar; absent in direct mode. */
  readonly pidFiles?: PidFileRecords;
  readonly direct: boolean;
}

/** @throws LastcallError `config` for what only the drivers can check (an invalid URL) */
export function driversOf(config: Config, parts: DriverParts, world: World): Drivers {
  const { clock, log, searchPath } = world;
  const { start, stop } = config.app;
  const { stops, pidFiles = createPidFileRecords(bootId()) } = parts;
  const appPorts = (signal: AbortSignal): Promise<number[]> => portsOf(config, parts.balancers, signal);
  const commands = { clock, searchPath, pidFiles, appPorts, ...(stops ? { stops } : {}) };
  const stopper = parts.child?.stopper ?? (stop && createStopper(stop, commands));
  const othersInService = nodesInService(config.listen.control.path, clock);
  return {
    balancers: parts.balancers.map((one) => withServedPorts(one, { stopper, stop, clock, log })),
    stopper,
    starter: parts.child?.starter ?? (start && createStarter(start, { clock, searchPath })),
    rebooter: parts.direct ? null : createRebooter({ clock, searchPath }, othersInService),
    sources: createSources(config.sessions, {
      clock,
      targets: targetsOf(config, clock),
      onWarning: (text) => log.warn(text),
    }),
    ...hooksOf(config, world),
    lock: createLock(config, { clock, log }),
    pool: poolOf(config),
  };
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
    const runtime = createRuntime(balancer, { clock, log });
    return balancer.writer === 'agent-check'
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
