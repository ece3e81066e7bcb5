import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import type { Readable } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import { withDeadline, type Clock } from './clock.ts';
import { errnoOf, LastcallError, messageOf } from './error.ts';
import { endGroup, groupEmpty, type Leader } from './group.ts';
import { startTimeOf } from './process.ts';

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
  /** Is nobody of its group to live on when it has ended? Then whoever is left is ended. Default: they live on. */
  readonly endsGroup?: boolean;
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
  /** True when somebody of its group was left and had to be ended. */
  readonly left: boolean;
}

/** Between SIGTERM and SIGKILL for a command that is over its deadline. */
const GRACE_MS = 1_000;
/** For the last of a pipeline, which may end a moment after the program itself. */
const STRAGGLERS_MS = 100;
/** Turns of the event loop that empty the pipes of a command that has ended. */
const LAST_TURNS = 3;

interface Ended {
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
}

/**
 * Runs a program, without a shell, in a process group of its own. At the deadline or when aborted the whole group
 * is ended. When the program ends by itself what it leaves in its group lives on: a start command may leave the
 * application there. So the end is the program's exit and not that of its pipes, which such a daemon inherits; they
 * are read and thrown away from then on, for a closed one would kill the daemon at its next word.
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
  const { child, leader } = await launch(argv, options);
  const ended = endOf(child);
  const stdout = keepFirst(child.stdout, options.maxOutputBytes ?? 0);
  const stderr = keepFirst(child.stderr, options.maxOutputBytes ?? 0);
  const result = (end: Ended, timedOut: boolean, left: boolean): CommandResult => ({
    ...end,
    stdout: stdout.take(),
    stderr: stderr.take(),
    truncated: stdout.truncated() || stderr.truncated(),
    elapsedMs: clock.now() - began,
    timedOut,
    left,
  });

  const late = (): LastcallError => new LastcallError('deadline', `over its ${options.timeoutMs} ms`);
  try {
    const end = await withDeadline(clock, options.timeoutMs, signal, late, () => ended);
    await lastWords();
    const left = options.endsGroup === true && (await endLeft(leader, ports));
    const answer = result(end, false, left);
    if (options.endsGroup === true) hangUp(child);
    return answer;
  } catch {
    // Late or aborted, nothing else: `ended` does not reject.
    const end = await cutShort(child, leader, ended, clock);
    signal.throwIfAborted();
    return result(end, true, false);
  }
}

/** The end of what a command said, for an error message: one line, at most 200 characters. */
export function excerpt(result: CommandResult): string {
  const text = (result.stderr.trim() === '' ? result.stdout : result.stderr).trim().replace(/\s+/g, ' ');
  return text.length > 200 ? `...${text.slice(-200)}` : text;
}

/** How a command ended, for an error message. */
export function endingOf(result: CommandResult): string {
  if (result.timedOut) return `did not end within ${Math.round(result.elapsedMs)} ms`;
  const how = result.signal === null ? `exit code ${String(result.exitCode)}` : `ended by ${result.signal}`;
  const said = excerpt(result);
  return said === '' ? how : `${how}: ${said}`;
}

async function launch(
  argv: readonly string[],
  { env, maxOutputBytes }: CommandOptions,
): Promise<{ child: ChildProcess; leader: Leader }> {
  const [program = '', ...args] = argv;
  try {
    const child: ChildProcess = spawn(program, args, {
      detached: true,
      stdio: maxOutputBytes === null ? ['ignore', 2, 2] : ['ignore', 'pipe', 'pipe'],
      ...(env === undefined ? {} : { env }),
    });
    const { pid } = child;
    // Asked at once: until Node has seen its exit the pid cannot be another's.
    const leader = pid === undefined ? null : { pid, startTime: startTimeOf(pid) };
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

/** Ends whoever is left of a group without its leader. */
async function endLeft(
  leader: Leader,
  { clock, signal }: { clock: Clock; signal: AbortSignal },
): Promise<boolean> {
  if (await groupEmpty(leader, STRAGGLERS_MS, { clock, signal })) return false;
  await endGroup(leader, GRACE_MS, clock);
  return true;
}

/** What the program wrote before its exit is in the pipe: so many turns of the event loop read it. */
async function lastWords(): Promise<void> {
  for (let turns = 0; turns < LAST_TURNS; turns += 1) await turn();
}

async function cutShort(
  child: ChildProcess,
  leader: Leader,
  ended: Promise<Ended>,
  clock: Clock,
): Promise<Ended> {
  const gone = await endGroup(leader, GRACE_MS, clock);
  hangUp(child);
  if (gone) return ended;
  child.unref();
  return { exitCode: null, signal: null };
}

/** Whoever still writes, in whatever group, writes to nobody. */
function hangUp({ stdout, stderr }: ChildProcess): void {
  stdout?.destroy();
  stderr?.destroy();
}

interface Kept {
  truncated(): boolean;
  /** What was kept; what comes after this is thrown away, and does not keep our process alive. */
  take(): string;
}

function keepFirst(stream: Readable | null, maxBytes: number): Kept {
  if (stream === null) return { truncated: () => false, take: () => '' };
  const chunks: Buffer[] = [];
  let room = maxBytes;
  let truncated = false;
  const keep = (chunk: Buffer): void => {
    truncated ||= chunk.length > room;
    if (room > 0) chunks.push(chunk.subarray(0, room));
    room = Math.max(0, room - chunk.length);
  };
  stream.on('data', keep);
  stream.on('error', () => (truncated = true));
  return {
    truncated: () => truncated,
    take() {
      stream.off('data', keep);
      stream.resume();
      (stream as Socket).unref();
      return Buffer.concat(chunks).toString('utf8');
    },
  };
}
