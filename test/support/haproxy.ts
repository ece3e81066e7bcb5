import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { makeTempDir } from './tempdir.ts';
import { until } from './until.ts';

/** A real HAProxy in the foreground, in a directory of its own. */
export interface Haproxy {
  /** Its directory: the configuration (`haproxy.cfg`) and the sockets; removed by `stop`. */
  readonly dir: string;
  /** Stats socket of level admin. */
  readonly socket: string;
  /** Stats socket of level operator. */
  readonly operatorSocket: string;
  /** Master CLI; null without `master: true`. */
  readonly masterSocket: string | null;
  /** The process that was started: the master with `master: true`, else the only one. */
  readonly pid: number;
  /** What it wrote to stderr so far. */
  log(): string;
  /** One line to the admin socket, the whole answer. */
  command(line: string): Promise<string>;
  /** Pid of the worker that answers on the admin socket now. */
  workerPid(): Promise<number>;
  /** Replaces the configuration on disk (for the next `reload`). */
  rewrite(config: string): Promise<void>;
  /** SIGUSR2 to the master; resolves with the new worker's pid once that one answers on the admin socket. */
  reload(): Promise<number>;
  /** SIGUSR2 to the master with a configuration that cannot be used; resolves once it has reported that. */
  reloadInVain(): Promise<void>;
  /** kill -9 of all of it, and another start: nothing is left of what it knew. Resolves once it answers. */
  restart(): Promise<void>;
  /** Sends a signal to the started process and to its workers. */
  kill(signal: NodeJS.Signals): Promise<void>;
  /** Kills it whatever its state, waits for its end and removes its directory. Safe to call twice. */
  stop(): Promise<void>;
}

export interface HaproxyOptions {
  /** `-W -S`: a master with workers, so that it can be reloaded. */
  readonly master?: boolean;
  /** `stats maxconn`; HAProxy's own default is 10. */
  readonly statsMaxconn?: number;
  /** Where the program is; default the one on PATH. */
  readonly programDir?: string;
}

/**
 * Starts `/usr/sbin/haproxy` (or the one on PATH) and waits until its stats socket answers `show info`.
 * @param config everything but the stats sockets: `defaults`, `listen`...; further `global` sections are merged by
 *   HAProxy. A function is given the instance's directory, for files it refers to.
 * @throws Error with HAProxy's own words when it ends instead of answering
 */
export async function startHaproxy(
  config: string | ((dir: string) => string | Promise<string>),
  options: HaproxyOptions = {},
): Promise<Haproxy> {
  const temp = await makeTempDir();
  const dir = temp.path;
  const socket = join(dir, 'admin.sock');
  const operatorSocket = join(dir, 'operator.sock');
  const masterSocket = options.master === true ? join(dir, 'master.sock') : null;
  const file = join(dir, 'haproxy.cfg');
  const text = typeof config === 'string' ? config : await config(dir);
  const write = (body: string): Promise<void> =>
    writeFile(file, globals(socket, operatorSocket, options) + body);
  await write(text);

  const mode = masterSocket === null ? ['-db'] : ['-W', '-S', masterSocket];
  const launch = (): HaproxyProcess => run([...mode, '-f', file], options.programDir);
  let process_ = launch();
  const stop = async (): Promise<void> => {
    await signalAll(process_.child, 'SIGKILL');
    await process_.ended;
    await temp.remove();
  };
  const serves = async (): Promise<void> => {
    await Promise.race([untilAnswers(socket, 'show info', process_.gone), process_.failed()]);
    // The master executes itself once more after its worker has started, and a signal sent before that is lost.
    if (masterSocket !== null) {
      await Promise.race([untilAnswers(masterSocket, 'show proc;quit', process_.gone), process_.failed()]);
    }
  };
  try {
    await serves();
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    dir,
    socket,
    operatorSocket,
    masterSocket,
    get pid() {
      return process_.child.pid ?? 0;
    },
    log: () => process_.log(),
    command: (line) => ask(socket, line),
    workerPid: () => workerPid(socket),
    rewrite: write,
    reload: () => reload(process_, socket, masterSocket),
    async reloadInVain() {
      const from = process_.log().length;
      process_.child.kill('SIGUSR2');
      await Promise.race([process_.logged(NOT_LOADED, from), process_.failed()]);
      // As at the start.
      await serves();
    },
    async restart() {
      await signalAll(process_.child, 'SIGKILL');
      await process_.ended;
      process_ = launch();
      await serves();
    },
    kill: (signal) => signalAll(process_.child, signal),
    stop,
  };
}

/** From 2.8 on the master answers this for a worker that has gone, and does not close the connection. */
const GONE = "Can't find the target PID";

/** One line to a stats socket, read to the end; the tests' own client, independent of the one under test. */
export async function ask(path: string, line: string): Promise<string> {
  const socket = connect({ path });
  socket.setEncoding('utf8');
  socket.write(`${line}\n`);
  let answer = '';
  socket.on('data', (chunk: string) => {
    answer += chunk;
    if (answer.startsWith(GONE) && answer.endsWith('\n')) socket.destroy();
  });
  await once(socket, 'close');
  return answer;
}

/** Whether this HAProxy is of that branch or a newer one. */
export async function isFrom(haproxy: Haproxy, branch: `${number}.${number}`): Promise<boolean> {
  const [, major = 0, minor = 0] =
    /^Version: (\d+)\.(\d+)/m.exec(await haproxy.command('show info'))?.map(Number) ?? [];
  const [wanted = 0, wantedMinor = 0] = branch.split('.').map(Number);
  return major > wanted || (major === wanted && minor >= wantedMinor);
}

/** One column of the first row of a `show stat`. */
export function cellOf(answer: string, name: string): string | undefined {
  const [head = '', row = ''] = answer.split('\n');
  return row.split(',')[head.replace(/^# /, '').split(',').indexOf(name)];
}

/** Several commands on one connection (`prompt`), each answered as on a connection of its own. */
export interface Conversation {
  /** One command: from 3.2 on a line has one prompt, before that each command of it has one. */
  ask(command: string): Promise<string>;
  end(): void;
}

export async function converse(path: string): Promise<Conversation> {
  const socket = connect({ path });
  socket.setEncoding('utf8');
  let text = '';
  let heard = (): void => undefined;
  socket.on('data', (chunk: string) => {
    text += chunk;
    heard();
  });
  const ended = once(socket, 'close').then((): never => {
    throw new Error(`${path} ended the conversation`);
  });
  ended.catch(() => undefined);
  const ask = async (command: string): Promise<string> => {
    if (command.includes(';')) throw new Error(`more than one command: ${command}`);
    text = '';
    socket.write(`${command}\n`);
    const answer = new Promise<string>((resolve) => {
      heard = () => text.endsWith('\n> ') && resolve(text.slice(0, -'> '.length));
    });
    return Promise.race([answer, ended]);
  };
  await ask('prompt');
  return { ask, end: () => void socket.destroy() };
}

/** A worker that a reload ends may have taken the question without answering: the next one is asked. */
async function workerPid(path: string): Promise<number> {
  return until(`a worker answers at ${path}`, async () => {
    const pid = /^Pid: (\d+)$/m.exec((await answerAt(path, 'show info')) ?? '')?.[1];
    return pid === undefined ? undefined : Number(pid);
  });
}

function globals(socket: string, operatorSocket: string, options: HaproxyOptions): string {
  const maxconn = options.statsMaxconn === undefined ? '' : `  stats maxconn ${options.statsMaxconn}\n`;
  return (
    `global\n  nbthread 2\n  stats socket ${socket} mode 600 level admin\n` +
    `  stats socket ${operatorSocket} mode 600 level operator\n${maxconn}\n`
  );
}

/**
 * 2.6 to 3.0 say `New worker (PID) forked`, 3.1 and later `Initializing new worker (PID)`, and at the end `Loading
 * success`; 2.4 and before say `New worker #1 (PID) forked` and no more (seen on 2.2.9, 2.6.12, 3.0.11 and 3.2.26).
 */
const LOADED =
  /New worker #\d+ \((\d+)\) forked|(?:New|Initializing new) worker \((\d+)\)[^]*Loading success/;
/** The same in vain: 2.5 to 3.0; 3.1 and later, by the master and by the worker; 2.4 and before. */
const NOT_LOADED =
  /Loading failure|Master failed to parse new configuration|Failed to load worker|in waitpid mode/;

interface HaproxyProcess {
  readonly child: ChildProcess;
  readonly ended: Promise<void>;
  /** Aborts when the process ends. */
  readonly gone: AbortSignal;
  log(): string;
  /** Rejects when the process ends. */
  failed(): Promise<never>;
  /** Resolves once `pattern` is in what was logged after `from` characters. */
  logged(pattern: RegExp, from: number): Promise<RegExpExecArray>;
}

function run(args: readonly string[], dir?: string): HaproxyProcess {
  // setpriv: HAProxy dies with the test that started it, even when that one is killed.
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', 'haproxy', ...args], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, PATH: [dir, process.env['PATH'], '/usr/sbin:/sbin'].filter(Boolean).join(':') },
  });
  let log = '';
  const watchers = new Set<() => void>();
  child.stderr.setEncoding('utf8');
  child.stderr.on('data', (chunk: string) => {
    log += chunk;
    for (const watcher of watchers) watcher();
  });
  const ended = new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
    child.once('error', () => resolve());
  });
  const gone = new AbortController();
  void ended.then(() => gone.abort());
  return {
    child,
    ended,
    gone: gone.signal,
    log: () => log,
    failed: async () => {
      await ended;
      throw new Error(`haproxy ended (${String(child.exitCode ?? child.signalCode)}): ${log}`);
    },
    logged: (pattern, from) =>
      new Promise((resolve) => {
        const watcher = (): void => {
          const found = pattern.exec(log.slice(from));
          if (found === null) return;
          watchers.delete(watcher);
          resolve(found);
        };
        watchers.add(watcher);
        watcher();
      }),
  };
}

const NOT_YET = new Set(['ENOENT', 'ECONNREFUSED', 'ECONNRESET', 'EPIPE']);

/**
 * Resolves with the first whole answer. HAProxy renames a socket into place before it listens on it and announces
 * neither, so a refused connection is tried again after a breath.
 */
async function untilAnswers(path: string, line: string, gone: AbortSignal): Promise<void> {
  while (!gone.aborted) {
    if ((await answerAt(path, line)) !== null) return;
    await setTimeout(2);
  }
}

/** Null without an answer at present. */
async function answerAt(path: string, line: string): Promise<string | null> {
  try {
    return (await ask(path, line)) || null;
  } catch (error) {
    if (NOT_YET.has((error as NodeJS.ErrnoException).code ?? '')) return null;
    throw error;
  }
}

async function reload(running: HaproxyProcess, socket: string, masterSocket: string | null): Promise<number> {
  if (masterSocket === null) throw new Error('only a master can be reloaded: start it with `master: true`');
  const from = running.log().length;
  running.child.kill('SIGUSR2');
  const found = await Promise.race([running.logged(LOADED, from), running.failed()]);
  const pid = Number(found[1] ?? found[2]);
  // Both workers listen for a moment: ask again until the new one is the one that answers.
  while (!running.gone.aborted && (await workerPid(socket)) !== pid);
  // As at the start: the master executes itself once more, and would lose the next signal.
  await Promise.race([untilAnswers(masterSocket, 'show proc;quit', running.gone), running.failed()]);
  return pid;
}

async function signalAll(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const workers = await readFile(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8').catch(() => '');
  child.kill(signal);
  for (const pid of workers.split(' ').filter((word) => word !== '')) {
    try {
      process.kill(Number(pid), signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }
}
