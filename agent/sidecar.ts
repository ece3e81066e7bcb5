import { randomUUID } from 'node:crypto';
import { constants } from 'node:os';
import { assemble, operate } from './assembly.ts';
import type { RunOptions } from './cli/ports.ts';
import type { World } from './compose.ts';
import { KILL_AFTER_MS, STOP_SIGNAL } from './config/defaults.ts';
import { openReports } from './control/reports.ts';
import { openControl } from './control/server.ts';
import type { Engine, Supervise } from './engine/engine.ts';
import type { Service } from './engine/service.ts';
import { createHandover } from './journal/handover.ts';
import { createJournal, type Journal } from './journal/journal.ts';
import { checkReachable } from './journal/reachable.ts';
import type { Request, Result } from './lifecycle/operation.ts';
import { OWN_TERMS } from './lifecycle/policy.ts';
import { createReloader, type Reloader } from './reload.ts';
import { createSeat, type SeatParts } from './seat.ts';
import { type Child, type ChildExit, createChild } from './shutdown/child.ts';
import { createLaunches, type LaunchPorts, type Launches, type Notebook } from './shutdown/launches.ts';
import { createRunningStops } from './shutdown/running-stop.ts';
import { openSightings } from './shutdown/sightings.ts';
import { type Code, EXIT_CODES } from './system/error.ts';
import { createListenSockets } from './system/listen-sockets.ts';
import { lockNode } from './system/lock.ts';
import { bootId } from './system/process.ts';

/** The signals of the process, as the sidecar hears them. */
export interface Signals {
  on(signal: NodeJS.Signals, listener: (signal: NodeJS.Signals) => void): unknown;
  off(signal: NodeJS.Signals, listener: (signal: NodeJS.Signals) => void): unknown;
}

export interface SidecarWorld extends World {
  readonly signals: Signals;
}

/**
 * `lastcall run`: beside the node until a signal ends it; with a command also its parent.
 * @returns the exit code: the application's own under `run -- COMMAND`, else 0
 * @throws LastcallError `busy` for a second sidecar, `config`, `app-health`, `state-write` when it cannot start
 */
export async function runSidecar(options: RunOptions, world: SidecarWorld): Promise<number> {
  const { config, command, reload } = options;
  const { clock, log } = world;
  // Before anything of ours touches that disk.
  await checkReachable(config.state, clock);
  const lock = await lockNode(config.node, config.state);
  const ending = createEnding();
  const launches = createLaunches(...notesAt(`${config.state}.child`, config, world));
  const child = command && createOurs(command, launches, world, ending);
  const parts: SeatParts = {
    journal: createHandover(createJournal(config.state, config)),
    stops: createRunningStops(...notesAt(`${config.state}.stop`, config, world)),
    sightings: await openSightings(...notesAt(`${config.state}.pid`, config, world)),
    child,
    sockets: createListenSockets(),
  };
  const seat = createSeat(assemble(config, parts, world), parts, world);
  ending.onExit = () => seat.now().engine.appGone();
  const reports = await openReports(config, seat.relay, {
    clock,
    log,
    get agentChecks() {
      return seat.now().agentChecks;
    },
    get healthChecks() {
      return seat.now().healthChecks;
    },
  });
  const { service } = reports;
  const control = await openControl(config.listen.control, {
    service,
    clock,
    get begun() {
      return seat.relay.begun();
    },
  });
  const reloader = createReloader({ clock, log, read: reload.read, ...seat, onLost: ending.fail });
  const { engine } = seat.now();
  const deafen = child
    ? hearAsParent(world.signals, { service, hurry: engine.hurry, settled: engine.settled }, child, ending)
    : hearAlone(world.signals, reloader, ending);
  try {
    await seat.now().listen();
    await reports.listen();
    const started = engine.start(child ? supervise(child, launches) : undefined);
    const early = await Promise.race([started, ending.code]);
    if (early !== undefined) return early;
    seat.begin(service);
    log.info('running', { node: config.node, control: control.path, pid: process.pid });
    if (!child) reloader.begin(reload.isAsked);
    return await ending.code;
  } finally {
    deafen();
    await reloader.close();
    await control.close();
    await seat.now().close();
    await parts.sockets.close('all');
    await reports.close();
    child?.release();
    await lock.release();
    log.info('ended', { node: config.node });
  }
}

/** SIGTERM leaves everything as it is; SIGHUP reads the configuration again. */
function hearAlone(signals: Signals, reloader: Reloader, ending: Ending): () => void {
  const deafenEnd = hear(signals, ['SIGTERM', 'SIGINT'], () => ending.end(0));
  const deafenReload = hear(signals, ['SIGHUP'], () => reloader.reload());
  return () => {
    deafenEnd();
    deafenReload();
  };
}

/** How the sidecar comes to its end, and how its child came to its own. */
interface Ending {
  readonly code: Promise<number>;
  end(code: number): void;
  /** Nothing looks after the node any more, and this is why. */
  readonly fail: (error: unknown) => void;
  lastExit: ChildExit | null;
  onExit: () => void;
}

function createEnding(): Ending {
  let end = (_code: number): void => undefined;
  let fail = (_error: unknown): void => undefined;
  const code = new Promise<number>((resolve, reject) => {
    end = resolve;
    fail = reject;
  });
  code.catch(() => undefined); // Whoever waits for it hears of it.
  return { code, end, fail, lastExit: null, onExit: () => undefined };
}

/** The child whose end nobody asked for takes the sidecar with it: whoever started us decides what comes next. */
function createOurs(
  command: readonly string[],
  launches: Launches,
  { clock, log, searchPath, env }: World,
  ending: Ending,
): Child {
  return createChild(
    { command, signalName: STOP_SIGNAL, killAfterMs: KILL_AFTER_MS },
    {
      clock,
      searchPath,
      env,
      launches,
      onExit(exit) {
        log.info('the application has ended', { ...exit });
        ending.lastExit = exit;
        ending.onExit();
        if (!exit.asked) ending.end(exitCodeOf(exit));
      },
    },
  );
}

/** A note in a file beside the record: which process the child is, or the stop. */
function notesAt(
  path: string,
  { node }: { readonly node: string },
  { clock, log }: World,
): [Notebook, LaunchPorts] {
  const journal: Journal = createJournal(path, { node }, clock);
  const notebook = {
    async load() {
      const loaded = await journal.load(NEVER);
      if (loaded.kind === 'quarantined') log.warn(`${loaded.reason}; it was moved to ${loaded.movedTo}`);
      return loaded.kind === 'record' ? loaded.record : null;
    },
    save: (note: object) => journal.save(note),
  };
  return [
    notebook,
    { clock, bootId: bootId(), onWarning: (text: string) => log.warn(text, { node, file: path }) },
  ];
}

/** Its deadline is the journal's own. */
const NEVER = new AbortController().signal;

/** Takes up the child that a killed sidecar has left behind, or starts one. */
function supervise(child: Child, launches: Launches): Supervise {
  return async (recorded) => {
    for (const proof of [recorded, await launches.find()])
      if (proof && child.attach(proof)) return { fresh: false, proof };
    await child.starter.start(new AbortController().signal);
    return { fresh: true, proof: child.proof };
  };
}

/** SIGTERM means: let the users finish, then stop the child; a second one means now. Others, SIGHUP too, are the child's. */
function hearAsParent(
  signals: Signals,
  { service, hurry, settled }: Pick<Engine, 'hurry' | 'settled'> & { readonly service: Service },
  child: Child,
  ending: Ending,
): () => void {
  let asked = false;
  const stop = (name: NodeJS.Signals): void => {
    if (asked) return hurry();
    asked = true;
    const request: Request = {
      ...OWN_TERMS,
      id: randomUUID(),
      kind: 'stop',
      reason: name,
      by: 'signal',
      onTimeout: 'force',
      insist: true,
    };
    void operate(service, request).then(async (result) => {
      await settled();
      ending.end(codeAfter(result, ending));
    });
  };
  const deafenStop = hear(signals, ['SIGTERM', 'SIGINT'], stop);
  const deafenRest = hear(signals, ['SIGHUP', 'SIGUSR1', 'SIGUSR2'], (name) => child.forward(name));
  return () => {
    deafenStop();
    deafenRest();
  };
}

function codeAfter(result: Result, { lastExit }: Ending): number {
  if (!result.ok) return EXIT_CODES[result.code as Code];
  return lastExit ? exitCodeOf(lastExit) : 0;
}

/** As a shell tells it: the code, or 128 and the signal; unknown when an earlier sidecar was the parent. */
function exitCodeOf({ code, signal }: ChildExit): number {
  if (code !== null) return code;
  return signal === null ? EXIT_CODES.failed : 128 + constants.signals[signal];
}

function hear(
  signals: Signals,
  names: readonly NodeJS.Signals[],
  listener: (name: NodeJS.Signals) => void,
): () => void {
  for (const name of names) signals.on(name, listener);
  return () => {
    for (const name of names) signals.off(name, listener);
  };
}
