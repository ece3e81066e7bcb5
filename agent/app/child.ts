import type { Proof } from '../lifecycle/model/observation.ts';
import { withDeadline, type Clock } from '../system/clock.ts';
import { errnoOf, LastcallError } from '../system/error.ts';
import { endGroup, KILL_WAIT_MS, signalGroup } from '../system/process-group.ts';
import { processStatus, checkExecutable } from '../system/process.ts';
import type { CommandPorts } from './app-command.ts';
import type { LaunchRecord } from './launch-record.ts';
import { launch, watchProcess, type Exit, type ProcessHandle } from './process-handle.ts';
import { checkPermission, hiddenError, killedWarning, notKilledError, unprovenError } from './errors.ts';
import type { Starter, StopOutcome, Stopper } from './contracts.ts';

export interface ChildOptions {
  /** `run -- COMMAND ARG...`; it has to stay in the foreground. */
  readonly command: readonly string[];
  /** The signal that asks it to stop. */
  readonly signalName: NodeJS.Signals;
  /** From that signal to SIGKILL, in milliseconds. */
  readonly killAfterMs: number;
}

/** How the application ended: code and signal are null when an earlier sidecar had started it. */
export interface ChildExit extends Exit {
  /** True when our own stop had asked it to. */
  readonly asked: boolean;
}

/** The application as the child of `lastcall run -- COMMAND`. */
export interface Child {
  readonly stopper: Stopper;
  readonly starter: Starter;
  /** The running application, or null. */
  readonly proof: Proof | null;
  /**
   * Takes up the application that an earlier sidecar has left behind: the child survives a killed parent.
   * @returns false when that process is gone
   */
  attach(proof: Proof): boolean;
  /** Passes a signal (SIGHUP, SIGUSR1...) on to the application itself; false when it was not signalled. */
  forward(name: NodeJS.Signals): boolean;
  /** Detaches: the application runs on, unsupervised, and its end is not reported any more. */
  release(): void;
}

export interface ChildPorts extends CommandPorts {
  /** The environment that the application gets. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly launchRecord: LaunchRecord;
  readonly onExit: (exit: ChildExit) => void;
}

/** A process under supervision. */
interface Supervised extends ProcessHandle {
  asked: boolean;
  /** Resolves when the process and its group have ended; false = a process of the group could not be ended. */
  readonly ended: Promise<boolean>;
}

/** What the application leaves in its group may take so long to end, or `killAfterMs` where that is shorter. */
const REST_MS = 5_000;

/**
 * Supervises the application as a child in a process group of its own, with our stdio. When it ends, requested or
 * not, the rest of its group is ended too, and then `onExit` is called.
 */
export function createChild(options: ChildOptions, ports: ChildPorts): Child {
  const supervision = createSupervision(options, ports);
  return {
    stopper: stopperOf(supervision, options, ports),
    starter: starterOf(supervision, options, ports),
    get proof() {
      return supervision.current?.proof ?? null;
    },
    attach(proof) {
      if (goneOf(proof, null) === 'gone') return false;
      supervision.adopt(proof);
      return true;
    },
    forward: (name) => supervision.current !== null && forward(supervision.current.proof, name),
    release: () => supervision.release(),
  };
}

/** The one process that is supervised, if any. */
interface Supervision {
  readonly current: Supervised | null;
  supervise(process: ProcessHandle): Supervised;
  /** A process that is not our child, or the one that is supervised already. */
  adopt(proof: Proof): Supervised;
  release(): void;
}

function createSupervision(options: ChildOptions, { clock, onExit }: ChildPorts): Supervision {
  let current: Supervised | null = null;
  const supervise = (handle: ProcessHandle): Supervised => {
    const finish = async (exit: Exit): Promise<boolean> => {
      const empty = await endGroup(handle.proof, Math.min(options.killAfterMs, REST_MS), clock);
      if (current === mine) current = null;
      onExit({ ...exit, asked: mine.asked });
      return empty;
    };
    const mine: Supervised = { ...handle, asked: false, ended: handle.exit.then(finish) };
    current = mine;
    return mine;
  };
  return {
    get current() {
      return current;
    },
    supervise,
    adopt: (proof) =>
      current !== null && isSame(current.proof, proof) ? current : supervise(watchProcess(proof, clock)),
    release() {
      current?.release();
      current = null;
    },
  };
}

function stopperOf(supervision: Supervision, options: ChildOptions, { clock }: ChildPorts): Stopper {
  return {
    isIdempotent: true,
    proves: true,
    gone: (proof) => goneOf(proof, supervision.current),
    async check(signal) {
      signal.throwIfAborted();
      return prove(supervision.current);
    },
    async stop(proof, signal) {
      signal.throwIfAborted();
      if (proof === null) throw unprovenError('the child', 'no process was proven to be the application');
      const found = goneOf(proof, supervision.current);
      if (found === 'unknown') throw hiddenError(proof.pid);
      if (found === 'gone') return { how: 'gone', warnings: [] };
      return end(supervision.adopt(proof), options, { clock, signal });
    },
  };
}

function starterOf(supervision: Supervision, { command }: ChildOptions, ports: ChildPorts): Starter {
  const { clock, launchRecord } = ports;
  return {
    async check(signal) {
      signal.throwIfAborted();
      checkStart(command, ports.searchPath);
    },
    async start(signal) {
      signal.throwIfAborted();
      const { current } = supervision;
      if (current !== null && goneOf(current.proof, null) !== 'gone') return;
      if (current !== null) await restEnded(current, { clock, signal });
      const mark = await launchRecord.begin();
      const { proof } = supervision.supervise(await launch(command, { ...ports.env, ...mark }));
      await launchRecord.complete(proof);
    },
  };
}

function isSame(one: Proof, other: Proof): boolean {
  return one.pid === other.pid && one.startTime === other.startTime;
}

/** An application whose group is still being ended is not gone: a worker of it may serve on. */
function goneOf(proof: Proof | null, current: Supervised | null): 'gone' | 'alive' | 'unknown' {
  if (proof === null) return current === null ? 'gone' : 'unknown';
  const found = processStatus(proof.pid, proof.startTime);
  return found === 'gone' && current !== null && isSame(current.proof, proof) ? 'alive' : found;
}

function prove(current: Supervised | null): Proof {
  const proof = current?.proof ?? null;
  if (proof === null) throw unprovenError('the child', 'the application is not running');
  const found = goneOf(proof, null);
  if (found === 'unknown') throw hiddenError(proof.pid);
  if (found === 'gone')
    throw unprovenError('the child', `the application (process ${proof.pid}) has just ended`);
  checkPermission(proof);
  return proof;
}

/** Signals the group, waits `killAfterMs`, kills the group. */
async function end(
  life: Supervised,
  { signalName, killAfterMs }: ChildOptions,
  { clock, signal }: { clock: Clock; signal: AbortSignal },
): Promise<StopOutcome> {
  const began = clock.now();
  const late = (): LastcallError => notKilledError(life.proof, clock.now() - began);
  let killed = false;
  life.asked = true;
  signalGroup(life.proof, signalName);
  const cancelKill = clock.after(killAfterMs, () => {
    killed = true;
    signalGroup(life.proof, 'SIGKILL');
  });
  try {
    // The process after SIGKILL, and then the rest of its group in the same way.
    const ms = killAfterMs + KILL_WAIT_MS + REST_MS + KILL_WAIT_MS;
    if (!(await withDeadline(clock, ms, signal, late, () => life.ended))) throw late();
  } finally {
    cancelKill();
  }
  if (killed) return { how: 'KILL', warnings: [killedWarning(signalName, killAfterMs)] };
  return { how: signalName.replace(/^SIG/, ''), warnings: [] };
}

/** Waits for what the previous life left in its group: it may hold the port. */
async function restEnded(life: Supervised, ports: { clock: Clock; signal: AbortSignal }): Promise<void> {
  const late = (): LastcallError =>
    new LastcallError('app-health', 'processes of the previous application could not be ended', {
      target: `process group ${life.proof.pid}`,
      elapsedMs: REST_MS + KILL_WAIT_MS,
      next: 'end them by hand',
    });
  await withDeadline(ports.clock, REST_MS + KILL_WAIT_MS, ports.signal, late, () => life.ended);
}

function checkStart(command: readonly string[], searchPath: string | undefined): void {
  const why = checkExecutable(command[0] ?? '', searchPath);
  if (why === null) return;
  throw new LastcallError('app-health', `the application cannot be started: ${why}`, {
    target: command.join(' '),
    elapsedMs: 0,
    next: 'correct the command after --',
  });
}

function forward({ pid, startTime }: Proof, name: NodeJS.Signals): boolean {
  if (processStatus(pid, startTime) !== 'alive') return false;
  try {
    process.kill(pid, name);
    return true;
  } catch (error) {
    if (errnoOf(error) === 'ESRCH' || errnoOf(error) === 'EPERM') return false;
    throw error;
  }
}
