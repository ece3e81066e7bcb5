import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { setImmediate as turn } from 'node:timers/promises';
import { type CapturedOutput, inheritedOutput, pipedOutput, spooledOutput } from './captured-output.ts';
import { withDeadline, type Clock } from './clock.ts';
import { errnoOf, LastcallError, messageOf } from './error.ts';
import { endGroup, groupEmpty, type GroupLeader } from './process-group.ts';
import { startTimeOf } from './process.ts';
import { printable } from './printable.ts';

export interface CommandOptions {
  /** Deadline for the command itself, in milliseconds. */
  readonly timeoutMs: number;
  /**
   * How much of stdout and of stderr is kept, in bytes each; the rest is read and thrown away. null: both go where
   * our own stderr goes, which a daemon that the command leaves behind can still write to when we are no more.
   */
  readonly maxOutputBytes: number | null;
  /** Default: our own environment. */
  readonly env?: NodeJS.ProcessEnv;
  /** True: the rest of its group is ended when it has ended. Default: the rest lives on. */
  readonly endsGroup?: boolean;
  /**
   * For a command that must go on when we end: an abort leaves it alone, and its output breaks no pipe. Called with
   * the identity of the process, once it has begun. Default: an abort ends it.
   */
  readonly onLaunched?: (leader: GroupLeader) => Promise<void>;
}

export interface CommandResult {
  /** null when a signal ended it, or when it could not be ended. */
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
  /** True when stdout or stderr is not whole. */
  readonly truncated: boolean;
  readonly elapsedMs: number;
  readonly timedOut: boolean;
  /** True when a process of its group was left and had to be ended. */
  readonly left: boolean;
}

/** Between SIGTERM and SIGKILL for a command that is over its deadline. */
const GRACE_MS = 1_000;
/** How long the last programs of a pipeline may live on after the command itself. */
const STRAGGLERS_MS = 100;
/** How often the files of a command with much output are made smaller again. */
const TRIM_EVERY_MS = 1_000;
/** Turns of the event loop that empty the pipes of a command that has ended. */
const LAST_TURNS = 3;

interface Ended {
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
}

/**
 * Runs a program, without a shell, in a process group of its own. At the deadline or when aborted the whole group
 * is ended. When the program ends by itself the processes it leaves in its group live on: a start command may leave
 * the application there. So the end is the program's exit and not that of its pipes, which such a daemon inherits;
 * they are read and dropped from then on, since a closed one would kill the daemon at its next output.
 * @throws LastcallError `failed` when it cannot be started; the signal's reason when aborted
 */
export async function runCommand(
  argv: readonly string[],
  options: CommandOptions,
  ports: { clock: Clock; signal: AbortSignal },
): Promise<CommandResult> {
  const { clock, signal } = ports;
  signal.throwIfAborted();
  const began = clock.now();
  const output = outputFor(options);
  try {
    const { child, leader } = await launch(argv, options, output);
    const command: BegunCommand = { child, leader, output, ended: endOf(child), began };
    return options.onLaunched
      ? await untilEndOrOurs(command, { ...options, onLaunched: options.onLaunched }, ports)
      : await untilEnd(command, options, ports);
  } finally {
    if (options.onLaunched) output.close();
  }
}

/** A command that may outlive lastcall is written down; its output files do not grow while lastcall runs. */
async function untilEndOrOurs(
  command: BegunCommand,
  options: CommandOptions & Required<Pick<CommandOptions, 'onLaunched'>>,
  ports: { clock: Clock; signal: AbortSignal },
): Promise<CommandResult> {
  const noted = options.onLaunched(command.leader);
  let cancel = (): void => undefined;
  const trim = (): void => {
    command.output.trim();
    cancel = ports.clock.after(TRIM_EVERY_MS, trim);
  };
  trim();
  try {
    return await untilEnd(command, options, ports);
  } finally {
    cancel();
    await noted;
  }
}

/** A command that has begun. */
interface BegunCommand {
  readonly child: ChildProcess;
  readonly leader: GroupLeader;
  readonly output: CapturedOutput;
  readonly ended: Promise<Ended>;
  /** Monotonic milliseconds. */
  readonly began: number;
}

/** @throws the signal's reason */
async function untilEnd(
  { child, leader, output, ended, began }: BegunCommand,
  { timeoutMs, endsGroup = false, onLaunched }: CommandOptions,
  ports: { clock: Clock; signal: AbortSignal },
): Promise<CommandResult> {
  const { clock, signal } = ports;
  const result = (end: Ended, timedOut: boolean, left: boolean): CommandResult => ({
    ...end,
    ...output.take(),
    elapsedMs: clock.now() - began,
    timedOut,
    left,
  });
  const late = (): LastcallError => new LastcallError('deadline', `over its ${timeoutMs} ms`);
  try {
    const end = await withDeadline(clock, timeoutMs, signal, late, () => ended);
    await drainPipes();
    const left = endsGroup && (await killLeftovers(leader, ports));
    const answer = result(end, false, left);
    if (endsGroup) output.close();
    return answer;
  } catch {
    // Late or aborted, nothing else: `ended` does not reject.
    if (signal.aborted && onLaunched) {
      child.unref();
      throw signal.reason as Error;
    }
    const end = await cutShort(child, leader, ended, clock);
    if (!onLaunched) output.close();
    signal.throwIfAborted();
    return result(end, true, false);
  }
}

/** A pipe would break when lastcall ends, and a command that has to go on with it. */
function outputFor({ maxOutputBytes, onLaunched }: CommandOptions): CapturedOutput {
  if (maxOutputBytes === null) return inheritedOutput();
  return onLaunched ? spooledOutput(maxOutputBytes) : pipedOutput(maxOutputBytes);
}

/** The end of a command's output, for an error message: one line of 200 characters, safe for a terminal. */
export function excerpt(result: CommandResult): string {
  const text = (result.stderr.trim() === '' ? result.stdout : result.stderr).trim().replace(/\s+/g, ' ');
  return printable(text.length > 200 ? `...${text.slice(-200)}` : text);
}

/** How a command ended, for an error message. */
export function endingOf(result: CommandResult): string {
  if (result.timedOut) return `did not end within ${Math.round(result.elapsedMs)} ms`;
  const how = result.signal === null ? `exit code ${String(result.exitCode)}` : `ended by ${result.signal}`;
  const output = excerpt(result);
  return output === '' ? how : `${how}: ${output}`;
}

async function launch(
  argv: readonly string[],
  { env }: CommandOptions,
  output: CapturedOutput,
): Promise<{ child: ChildProcess; leader: GroupLeader }> {
  const [program = '', ...args] = argv;
  try {
    const child: ChildProcess = spawn(program, args, {
      detached: true,
      stdio: output.stdio,
      ...(env === undefined ? {} : { env }),
    });
    const { pid } = child;
    // Asked at once: until Node has seen its exit the pid cannot be another's.
    const leader = pid === undefined ? null : { pid, startTime: startTimeOf(pid) };
    output.attach(child);
    await once(child, 'spawn');
    if (leader === null) throw new Error('it was given no pid');
    return { child, leader };
  } catch (error) {
    throw cannotRun(program, error);
  }
}

function endOf(child: ChildProcess): Promise<Ended> {
  return new Promise((resolve) => {
    child.once('exit', (exitCode, signal) => resolve({ exitCode, signal }));
  });
}

function cannotRun(program: string, cause: unknown): LastcallError {
  return new LastcallError('failed', `cannot run ${program}: ${errnoOf(cause) ?? messageOf(cause)}`, {
    target: program,
    elapsedMs: 0,
    next: 'check that the program exists and is executable',
    cause,
  });
}

/** Ends the rest of a group without its leader. */
async function killLeftovers(
  leader: GroupLeader,
  { clock, signal }: { clock: Clock; signal: AbortSignal },
): Promise<boolean> {
  if (await groupEmpty(leader, STRAGGLERS_MS, { clock, signal })) return false;
  await endGroup(leader, GRACE_MS, clock);
  return true;
}

/** What the program wrote before its exit is in the pipe: so many turns of the event loop read it. */
async function drainPipes(): Promise<void> {
  for (let turns = 0; turns < LAST_TURNS; turns += 1) await turn();
}

async function cutShort(
  child: ChildProcess,
  leader: GroupLeader,
  ended: Promise<Ended>,
  clock: Clock,
): Promise<Ended> {
  if (await endGroup(leader, GRACE_MS, clock)) return ended;
  child.unref();
  return { exitCode: null, signal: null };
}
