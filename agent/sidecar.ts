import { randomUUID } from 'node:crypto';
import { constants } from 'node:os';
import type { RunOptions } from './cli/ports.ts';
import { composeEngine, createBalancers, type World } from './compose.ts';
import { KILL_AFTER_MS, STOP_SIGNAL } from './config/defaults.ts';
import { openReports } from './control/reports.ts';
import { openControl } from './control/server.ts';
import type { Engine, Supervise } from './engine/engine.ts';
import { createSchedule } from './engine/schedule.ts';
import type { Service } from './engine/service.ts';
import { createJournal, type Journal } from './journal/journal.ts';
import type { Request, Result } from './lifecycle/operation.ts';
import { OWN_TERMS } from './lifecycle/policy.ts';
import { type Child, type ChildExit, createChild } from './shutdown/child.ts';
import { createLaunches, type Launches } from './shutdown/launches.ts';
import { type Code, EXIT_CODES } from './system/error.ts';
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
export async function runSidecar({ config, command }: RunOptions, world: SidecarWorld): Promise<number> {
  const { log } = world;
  const lock = await lockNode(config.node, config.state);
  const ending = createEnding();
  const launches = launchesAt(`${config.state}.child`, config, world);
  const child = command && createOurs(command, launches, world, ending);
  const { balancers, server, healthServer } = createBalancers(config, world, () => engine.status());
  const parts = { journal: createJournal(config.state, config), balancers, child, direct: false };
  const engine: Engine = composeEngine(config, parts, world);
  ending.onExit = () => engine.appGone();
  const polls = { agentChecks: server?.answers ?? null, healthChecks: healthServer?.answers ?? null };
  const reports = await openReports(config, engine, { ...world, ...polls });
  const { service } = reports;
  const control = await openControl(config.listen.control, {
    service,
    clock: world.clock,
    begun: engine.begun,
  });
  const schedule = createSchedule(config.schedule, {
    log,
    submit: async (kind, reason) => {
      await operate(service, { ...OWN_TERMS, id: randomUUID(), kind, reason, by: 'schedule' });
    },
  });
  const deafen = child
    ? hearAsParent(world.signals, { service, hurry: engine.hurry, settled: engine.settled }, child, ending)
    : hear(world.signals, ['SIGTERM', 'SIGINT', 'SIGHUP'], () => ending.end(0));
  try {
    await server?.listen();
    await healthServer?.listen();
    await reports.listen();
    await engine.start(child ? supervise(child, launches) : undefined);
    schedule.start();
    log.info('running', { node: config.node, control: control.path, pid: process.pid });
    return await ending.code;
  } finally {
    deafen();
    schedule.close();
    await control.close();
    await engine.close();
    await server?.close();
    await healthServer?.close();
    await reports.close();
    child?.release();
    await lock.release();
    log.info('ended', { node: config.node });
  }
}

/** How the sidecar comes to its end, and how its child came to its own. */
interface Ending {
  readonly code: Promise<number>;
  end(code: number): void;
  lastExit: ChildExit | null;
  onExit: () => void;
}

function createEnding(): Ending {
  let end = (_code: number): void => undefined;
  const code = new Promise<number>((resolve) => {
    end = resolve;
  });
  return { code, end, lastExit: null, onExit: () => undefined };
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

/** Which process the child is, in a file beside the record. */
function launchesAt(path: string, { node }: { readonly node: string }, { clock, log }: World): Launches {
  const journal: Journal = createJournal(path, { node });
  const notebook = {
    async load() {
      const loaded = await journal.load();
      if (loaded.kind === 'quarantined') log.warn(`${loaded.reason}; it was moved to ${loaded.movedTo}`);
      return loaded.kind === 'record' ? loaded.record : null;
    },
    save: (note: object) => journal.save(note),
  };
  return createLaunches(notebook, {
    clock,
    bootId: bootId(),
    onWarning: (text) => log.warn(text, { node, file: path }),
  });
}

/** Takes up the child that a killed sidecar has left behind, or starts one. */
function supervise(child: Child, launches: Launches): Supervise {
  return async (recorded) => {
    for (const proof of [recorded, await launches.find()])
      if (proof && child.attach(proof)) return { fresh: false, proof };
    await child.starter.start(new AbortController().signal);
    return { fresh: true, proof: child.proof };
  };
}

/** Submits a request and waits for its end. */
async function operate(service: Service, request: Request): Promise<Result> {
  let found = (_result: Result): void => undefined;
  const result = new Promise<Result>((resolve) => {
    found = resolve;
  });
  const early: Result[] = [];
  let ticket: string | null = null;
  const unwatch = service.watch({
    status: () => undefined,
    result: (ended) => (ended.id === ticket ? found(ended) : early.push(ended)),
  });
  try {
    const submitted = await service.submit(request);
    if (!submitted.accepted) return submitted.result;
    ticket = submitted.id;
    return early.find(({ id }) => id === ticket) ?? (await result);
  } finally {
    unwatch();
  }
}

/** SIGTERM means: let the users finish, then stop the child; a second one means now. Others are the child's. */
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
