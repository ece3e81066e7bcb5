import { stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import {
  codeAfter,
  createShutdown,
  createSupervisedChild,
  type Shutdown,
  notesAt,
  supervise,
} from './application.ts';
import { assemble } from './assembly.ts';
import type { RunOptions } from './cli/ports.ts';
import { openEndpoints, placesOf } from './endpoints.ts';
import type { World } from './compose.ts';
import { randomId } from './system/random-id.ts';
import { openAudit } from './telemetry/audit.ts';
import type { Engine } from './engine/engine.ts';
import { openDueRuns } from './engine/due-runs.ts';
import { createLastRuns } from './engine/last-runs.ts';
import { operate } from './engine/operate.ts';
import type { Service } from './engine/service.ts';
import { createHandover } from './journal/handover.ts';
import { createJournal } from './journal/journal.ts';
import { checkReachable } from './journal/reachable.ts';
import type { Request } from './lifecycle/model/api.ts';
import { OWN_TERMS } from './lifecycle/model/policy.ts';
import { createReloader, type Reloader } from './reload.ts';
import { createEngineHost, type EngineHostParts } from './engine-host.ts';
import type { Child } from './app/child.ts';
import { createLaunchRecord } from './app/launch-record.ts';
import { createRunningStopRecord } from './app/running-stop-record.ts';
import { openPidFileRecords } from './app/pid-file-record.ts';
import { type AtTheEnd, withClosing } from './system/closing.ts';
import { loadHttp } from './system/http.ts';
import { createLabelledCounts } from './system/labelled-counts.ts';
import { busyPortRetryMs, createListenSockets } from './system/listen-sockets.ts';
import { lockNode } from './system/lock.ts';
import type { Log } from './system/log-port.ts';
import { whyNotTrusted } from './system/trust.ts';

/** The signals of the process, for the sidecar. */
export interface Signals {
  on(signal: NodeJS.Signals, listener: (signal: NodeJS.Signals) => void): unknown;
  off(signal: NodeJS.Signals, listener: (signal: NodeJS.Signals) => void): unknown;
}

export interface SidecarWorld extends World {
  /** The environment of the application under `run -- COMMAND`: all of ours. */
  readonly applicationEnv: Readonly<Record<string, string | undefined>>;
  readonly signals: Signals;
}

/**
 * `lastcall run`: beside the node until a signal ends it; with a command also its parent.
 * @returns the exit code: the application's own under `run -- COMMAND`, else 0
 * @throws LastcallError `busy` for a second sidecar, `config`, `app-health`, `state-write` when it cannot start
 */
export async function runSidecar(options: RunOptions, world: SidecarWorld): Promise<number> {
  const { config } = options;
  await loadHttp();
  // Before anything of ours touches that disk.
  await checkReachable(config.state, world.clock);
  return withClosing(async (atTheEnd) => {
    const lock = await lockNode(config.node, config.state, world.clock);
    atTheEnd(() => world.log.info('ended', { node: config.node }));
    atTheEnd(() => lock.release());
    if (lock.warning !== null) world.log.warn(lock.warning);
    return runLocked(options, world, atTheEnd);
  });
}

/** All that can be refused is taken before anything is started; all that is taken is given back, the last one first. */
async function runLocked(options: RunOptions, world: SidecarWorld, atTheEnd: AtTheEnd): Promise<number> {
  const { config, command, reload } = options;
  const { clock, log, signals } = world;
  const audit = config.audit === null ? null : await openAudit(config.audit, world);
  atTheEnd(() => audit?.flush());
  for (const path of [config.state, config.audit]) if (path !== null) await warnOfDirectory(path, log);
  const sockets = createListenSockets(clock, busyPortRetryMs(process.uptime() * 1_000));
  atTheEnd(() => sockets.close('all'));
  await Promise.all(placesOf(config).map((place) => sockets.open(place)));
  const shutdown = createShutdown();
  const launchRecord = createLaunchRecord(...notesAt(`${config.state}.child`, config, world));
  const child =
    command &&
    createSupervisedChild(command, launchRecord, { ...world, env: world.applicationEnv }, shutdown);
  atTheEnd(() => child?.release());
  const parts: EngineHostParts = {
    journal: createHandover(createJournal(config.state, config)),
    stops: createRunningStopRecord(...notesAt(`${config.state}.stop`, config, world)),
    pidFiles: await openPidFileRecords(...notesAt(`${config.state}.pid`, config, world)),
    child,
    sockets,
    scheduleRuns: createLabelledCounts(),
    lastRuns: createLastRuns(),
    dueRuns: await openDueRuns(...notesAt(`${config.state}.runs`, config, world)),
    onMissed: ({ do: operation, reason, cron, due }) =>
      audit?.write('missed', { operation, by: 'schedule', reason, cron, due }),
  };
  const engineHost = createEngineHost(assemble(config, parts, world), parts, world);
  atTheEnd(() => engineHost.now().close());
  shutdown.onExit = () => engineHost.now().engine.appGone();
  const { service, control } = await openEndpoints(config, world, { ...parts, engineHost, audit }, atTheEnd);
  await warnOfDirectory(control.path, log);
  const reloader = createReloader({ clock, log, read: reload.read, ...engineHost, onLost: shutdown.fail });
  atTheEnd(() => reloader.close());
  const { engine } = engineHost.now();
  atTheEnd(
    child
      ? handleSignalsAsParent(
          signals,
          { service, forceNow: engine.forceNow, untilInSync: engine.untilInSync },
          child,
          shutdown,
        )
      : handleSignals(signals, reloader, shutdown),
  );
  await engineHost.now().listen();
  const started = engine.start(child ? supervise(child, launchRecord) : undefined);
  const early = await Promise.race([started, shutdown.code]);
  if (early !== undefined) return early;
  engineHost.begin(service);
  log.info('running', { node: config.node, control: control.path, pid: process.pid });
  if (!child) reloader.begin(reload.isAsked);
  return shutdown.code;
}

/**
 * Files of ours are looked at before they are believed; a user who may write to their directory can remove them. One that may
 * write to that of the control socket can answer callers in our place.
 */
async function warnOfDirectory(path: string, log: Log): Promise<void> {
  const directory = dirname(path);
  const why = whyNotTrusted(await stat(directory));
  if (why !== null) log.warn(`${directory}: ${why}, and so may take away or replace ${path}`);
}

/** SIGTERM leaves everything as it is; SIGHUP reads the configuration again. */
function handleSignals(signals: Signals, reloader: Reloader, shutdown: Shutdown): () => void {
  const offEnd = onSignals(signals, ['SIGTERM', 'SIGINT'], () => shutdown.end(0));
  const offReload = onSignals(signals, ['SIGHUP'], () => reloader.reload());
  return () => {
    offEnd();
    offReload();
  };
}

/** SIGTERM means: let the users finish, then stop the child; a second one means now. Others, SIGHUP too, are the child's. */
function handleSignalsAsParent(
  signals: Signals,
  {
    service,
    forceNow,
    untilInSync,
  }: Pick<Engine, 'forceNow' | 'untilInSync'> & { readonly service: Service },
  child: Child,
  shutdown: Shutdown,
): () => void {
  let asked = false;
  const stop = (name: NodeJS.Signals): void => {
    if (asked) return forceNow();
    asked = true;
    const request: Request = {
      ...OWN_TERMS,
      id: randomId(),
      kind: 'stop',
      reason: name,
      by: 'signal',
      onTimeout: 'force',
      isShutdown: true,
    };
    void operate(service, request).then(async (result) => {
      await untilInSync();
      shutdown.end(codeAfter(result, shutdown));
    });
  };
  const offStop = onSignals(signals, ['SIGTERM', 'SIGINT'], stop);
  const offRest = onSignals(signals, ['SIGHUP', 'SIGUSR1', 'SIGUSR2'], (name) => child.forward(name));
  return () => {
    offStop();
    offRest();
  };
}

function onSignals(
  signals: Signals,
  names: readonly NodeJS.Signals[],
  listener: (name: NodeJS.Signals) => void,
): () => void {
  for (const name of names) signals.on(name, listener);
  return () => {
    for (const name of names) signals.off(name, listener);
  };
}
