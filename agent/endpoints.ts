import { polledAddresses } from './assembly.ts';
import type { World } from './compose.ts';
import type { Config } from './config/config.ts';
import { openHooksServer } from './control/hooks-server.ts';
import { type ControlServer, openControl } from './control/server.ts';
import { operate } from './engine/operate.ts';
import type { Service } from './engine/service.ts';
import { createPhaseHook } from './hooks/phase-hook.ts';
import type { Request } from './lifecycle/model/api.ts';
import { OWN_TERMS } from './lifecycle/model/policy.ts';
import type { EngineHost, EngineHostParts } from './engine-host.ts';
import type { AtTheEnd } from './system/closing.ts';
import { createLabelledCounts } from './system/labelled-counts.ts';
import type { ListenPlace } from './system/listen-error.ts';
import { randomId } from './system/random-id.ts';
import { type Audit, withAudit } from './telemetry/audit.ts';
import { type HookCounts, openPhaseHooks } from './telemetry/phase-hooks.ts';
import { withAlarms } from './telemetry/with-alarms.ts';
import { openTelemetry } from './telemetry/telemetry.ts';

/** The interfaces of the sidecar: control socket, preStop port, metrics, phase hooks and audit log. */

/** The TCP addresses at which callers, monitors and pollers reach the sidecar. */
export function placesOf(config: Config): ListenPlace[] {
  const { metrics, hooks } = config.listen;
  return [
    ...polledAddresses(config),
    ...(metrics ? [{ ...metrics, key: 'listen.metrics' }] : []),
    ...(hooks ? [{ ...hooks, key: 'listen.hooks' }] : []),
  ];
}

export interface EndpointParts extends Pick<EngineHostParts, 'sockets' | 'scheduleRuns'> {
  readonly engineHost: EngineHost;
  readonly audit: Audit | null;
}

export interface Endpoints {
  /** The engine host's service, seen by the hooks, the audit log and the metrics. */
  readonly service: Service;
  readonly control: ControlServer;
}

/**
 * Opens the hooks, the metrics, the control socket and the port of `listen.hooks`, over the engine host's service.
 * @throws LastcallError what keeps one of them from being opened
 */
export async function openEndpoints(
  config: Config,
  { clock, env, log }: World,
  { engineHost, audit, sockets, scheduleRuns }: EndpointParts,
  atTheEnd: AtTheEnd,
): Promise<Endpoints> {
  const hookRuns: HookCounts = createLabelledCounts();
  const { service: alarmed } = withAlarms(engineHost.relay, () => engineHost.now().alarms);
  const hooks = openPhaseHooks(alarmed, {
    clock,
    log,
    runs: hookRuns,
    configs: () => engineHost.current().hooks,
    create: (hook, onOutcome) => createPhaseHook(hook, { clock, env, node: config.node, onOutcome }),
  });
  atTheEnd(() => hooks.close());
  const seen = audit ? withAudit(hooks.service, audit) : hooks.service;
  const reports = await openTelemetry(config.listen, seen, {
    clock,
    log,
    sockets,
    scheduleRuns,
    hookRuns,
    get agentChecks() {
      return engineHost.now().agentChecks;
    },
    get healthChecks() {
      return engineHost.now().healthChecks;
    },
  });
  atTheEnd(() => reports.close());
  const { service } = reports;
  // Before the control socket, by which callers see that the sidecar runs: without its token the start fails.
  await openPrestop(config, { clock, log, sockets, engineHost, service }, atTheEnd);
  const control = await openControl(config.listen.control, {
    service,
    clock,
    get ready() {
      return engineHost.relay.ready();
    },
  });
  atTheEnd(() => control.close());
  return { service, control };
}

interface PrestopParts extends Pick<World, 'clock' | 'log'>, Pick<EndpointParts, 'sockets' | 'engineHost'> {
  readonly service: Service;
}

async function openPrestop(
  { listen: { hooks } }: Config,
  { engineHost, service, ...ports }: PrestopParts,
  atTheEnd: AtTheEnd,
): Promise<void> {
  if (hooks === null) return;
  const server = await openHooksServer(hooks, {
    ...ports,
    timeoutMs: () => engineHost.current().drain.timeoutMs,
    drain: (timeoutMs) => operate(service, prestopRequest(timeoutMs)),
  });
  atTheEnd(() => server.close());
}

/**
 * What a preStop hook asks for. SIGTERM follows whatever is answered, so with `restore` new users would come to an
 * application that is about to end: `force` fences it, and reports how many users that has cost. Its time is explicit: the
 * deadline of an operation that it joins may be a moment or many hours away.
 */
function prestopRequest(timeoutMs: number): Request {
  return {
    ...OWN_TERMS,
    id: randomId(),
    kind: 'drain',
    reason: 'preStop',
    by: 'prestop',
    onTimeout: 'force',
    noRefuse: true,
    timeoutMs,
  };
}
