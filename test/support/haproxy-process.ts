import { spawn, type ChildProcess } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { setTimeout } from 'node:timers/promises';
import { ask } from './haproxy-socket.ts';
import { until } from './until.ts';

/** The process of a real HAProxy: started, reloaded, and signalled with its workers. */

/**
 * 2.6 to 3.0 say `New worker (PID) forked`, 3.1 and later `Initializing new worker (PID)`, and at the end `Loading
 * success`; 2.4 and before say `New worker #1 (PID) forked` and no more (seen on 2.2.9, 2.6.12, 3.0.11 and 3.2.26).
 */
const LOADED =
  /New worker #\d+ \((\d+)\) forked|(?:New|Initializing new) worker \((\d+)\)[^]*Loading success/;
/** The same in vain: 2.5 to 3.0; 3.1 and later, by the master and by the worker; 2.4 and before. */
export const NOT_LOADED =
  /Loading failure|Master failed to parse new configuration|Failed to load worker|in waitpid mode/;

export interface HaproxyProcess {
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

export function run(args: readonly string[], dir?: string): HaproxyProcess {
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
export async function untilAnswers(path: string, line: string, gone: AbortSignal): Promise<void> {
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

export async function reload(
  running: HaproxyProcess,
  socket: string,
  masterSocket: string | null,
): Promise<number> {
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

export async function signalAll(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
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

/** A worker that a reload ends may have taken the question without answering: the next one is asked. */
export async function workerPid(path: string): Promise<number> {
  return until(`a worker answers at ${path}`, async () => {
    const pid = /^Pid: (\d+)$/m.exec((await answerAt(path, 'show info')) ?? '')?.[1];
    return pid === undefined ? undefined : Number(pid);
  });
}
