import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ask } from './haproxy-socket.ts';
import {
  type HaproxyProcess,
  NOT_LOADED,
  reload,
  run,
  signalAll,
  untilAnswers,
  workerPid,
} from './haproxy-process.ts';
import { makeTempDir } from './tempdir.ts';

export { ask, cellOf, converse, type Conversation } from './haproxy-socket.ts';

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

/** Whether this HAProxy is of that branch or a newer one. */
export async function isFrom(haproxy: Haproxy, branch: `${number}.${number}`): Promise<boolean> {
  const [, major = 0, minor = 0] =
    /^Version: (\d+)\.(\d+)/m.exec(await haproxy.command('show info'))?.map(Number) ?? [];
  const [wanted = 0, wantedMinor = 0] = branch.split('.').map(Number);
  return major > wanted || (major === wanted && minor >= wantedMinor);
}

function globals(socket: string, operatorSocket: string, options: HaproxyOptions): string {
  const maxconn = options.statsMaxconn === undefined ? '' : `  stats maxconn ${options.statsMaxconn}\n`;
  return (
    `global\n  nbthread 2\n  stats socket ${socket} mode 600 level admin\n` +
    `  stats socket ${operatorSocket} mode 600 level operator\n${maxconn}\n`
  );
}
