import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { ask } from './haproxy.ts';

/** The sample that operators copy, as a path. */
export const SAMPLE = join(packageRoot(), 'haproxy', 'haproxy.cfg');
/** The script that reloads without forgetting who is drained. */
export const RELOAD = join(packageRoot(), 'haproxy', 'reload.sh');

const execute = promisify(execFile);

/** What the sample leaves to the environment. */
export interface SampleOptions {
  /** An existing directory for the sockets and the state file. */
  readonly dir: string;
  /** Where users come in, `host:port`. */
  readonly listen: string;
  /** The nodes app1, app2, app3 as `host:port`. */
  readonly apps: readonly [string, string, string];
  /** Ports of their sidecars' agent-check; without them there is no answer, which changes nothing. */
  readonly agents?: readonly [number, number, number];
  /** Between two health checks; default as shipped. */
  readonly checkInter?: string;
  /** false: a copy of it without its `slowstart`, which takes half a minute. */
  readonly slowstart?: boolean;
}

/** haproxy/haproxy.cfg itself, running as a master with its worker. */
export interface Sample {
  /** Runtime API, level admin. */
  readonly socket: string;
  /** Path of the server-state-file. */
  readonly stateFile: string;
  /** Pid of the master: SIGUSR2 reloads. */
  readonly pid: number;
  /** Master CLI. */
  readonly masterSocket: string;
  /** What it wrote to stderr so far. */
  log(): string;
  /**
   * Reloads it, and resolves once the new worker answers and the next reload would not be lost.
   * @param keepsState by haproxy/reload.sh, which writes the server-state-file; else there is none
   */
  reload(keepsState: boolean): Promise<void>;
  /** Kills it, and its worker with it. Safe to call twice. */
  stop(): Promise<void>;
}

/**
 * Runs haproxy/haproxy.cfg without privileges and resolves once its Runtime API answers.
 * @throws Error with HAProxy's own words when it ends instead
 */
export async function startSample(options: SampleOptions): Promise<Sample> {
  const file = options.slowstart === false ? await withoutSlowstart(options.dir) : SAMPLE;
  return startSampleFile([file], options.dir, sampleEnvironment(options));
}

async function withoutSlowstart(dir: string): Promise<string> {
  const parts = (await readFile(SAMPLE, 'utf8')).split(/ slowstart \w+/);
  if (parts.length !== 2) throw new Error(`${SAMPLE} has ${parts.length - 1} times a slowstart, not once`);
  const copy = join(dir, 'haproxy.cfg');
  await writeFile(copy, parts.join(''));
  return copy;
}

/** The environment that every sample takes: its Runtime API and its server-state-file. */
export interface SampleEnvironment extends Readonly<Record<string, string>> {
  readonly LB_SOCKET: string;
  readonly LB_STATE: string;
}

/**
 * Runs a sample, of one file or more, without privileges, its master socket in `dir`; resolves once its Runtime API answers.
 * @throws Error with HAProxy's own words when it ends instead
 */
export async function startSampleFile(
  files: readonly string[],
  dir: string,
  environment: SampleEnvironment,
): Promise<Sample> {
  const { LB_SOCKET: socket, LB_STATE: stateFile } = environment;
  const master = join(dir, 'master.sock');
  const loads = files.flatMap((file) => ['-f', file]);
  // setpriv: HAProxy dies with the process that started it, even when that one is killed.
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', 'haproxy', '-W', '-S', master, ...loads], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, LB_UNPRIVILEGED: '1', ...environment, PATH: searchPath() },
  });
  let log = '';
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (log += chunk));
  const ended = once(child, 'exit');
  const failed = ended.then(() => Promise.reject(new Error(`haproxy ended: ${log}`)));
  // Its end is news only until it serves; after that it is `stop` that ends it.
  failed.catch(() => undefined);
  const stop = async (): Promise<void> => {
    // A master ends its workers at once on SIGTERM, and a worker without its master ends too.
    child.kill('SIGTERM');
    await ended;
  };
  const waiting = new AbortController();
  try {
    // The master executes itself once more when its worker has started; a signal sent before that is lost.
    await Promise.race([untilAnswers(socket, 'show info', waiting.signal), failed]);
    await Promise.race([untilAnswers(master, 'show proc;quit', waiting.signal), failed]);
  } catch (error) {
    await stop();
    throw error;
  } finally {
    waiting.abort();
  }
  const pid = child.pid ?? 0;
  const answered = async (path: string, line: string): Promise<string> => {
    const ended_ = new AbortController();
    try {
      return await Promise.race([untilAnswers(path, line, ended_.signal), failed]);
    } finally {
      ended_.abort();
    }
  };
  const workerPid = async (): Promise<string> =>
    /^Pid: (\d+)$/m.exec(await answered(socket, 'show info'))?.[1] ?? '';
  return {
    socket,
    stateFile,
    masterSocket: master,
    pid,
    log: () => log,
    async reload(keepsState) {
      const before = await workerPid();
      if (keepsState) await execute('sh', [RELOAD, socket, stateFile, 'kill', '-USR2', String(pid)]);
      else {
        await rm(stateFile, { force: true });
        process.kill(pid, 'SIGUSR2');
      }
      // Both workers listen for a moment.
      while ((await workerPid()) === before) await sleep(2);
      await answered(master, 'show proc;quit');
    },
    stop,
  };
}

/** The environment in which the sample runs unprivileged, in `options.dir`. */
export function sampleEnvironment(options: SampleOptions) {
  const [app1, app2, app3] = options.apps;
  const [agent1, agent2, agent3] = options.agents ?? [1, 1, 1];
  return {
    LB_UNPRIVILEGED: '1',
    LB_LISTEN: options.listen,
    LB_SOCKET: join(options.dir, 'lb.sock'),
    LB_STATE: join(options.dir, 'server-state'),
    APP1: app1,
    APP2: app2,
    APP3: app3,
    APP1_AGENT: String(agent1),
    APP2_AGENT: String(agent2),
    APP3_AGENT: String(agent3),
    ...(options.checkInter === undefined ? {} : { CHECK_INTER: options.checkInter }),
  };
}

/** PATH with the places where distributions put HAProxy; a plain user's PATH often lacks them. */
export function searchPath(): string {
  return `${process.env['PATH'] ?? ''}:/usr/sbin:/usr/local/sbin`;
}

/** The directory of package.json, whether this runs from the sources or from dist/. */
export function packageRoot(): string {
  const here = fileURLToPath(new URL('../..', import.meta.url));
  return isRoot(here) ? here : join(here, '..');
}

function isRoot(dir: string): boolean {
  try {
    readFileSync(join(dir, 'package.json'));
    return true;
  } catch {
    return false;
  }
}

const NOT_YET = new Set(['ENOENT', 'ECONNREFUSED', 'ECONNRESET', 'EPIPE']);

/** HAProxy announces nowhere that it serves: asked again after a breath until there is an answer. */
async function untilAnswers(path: string, line: string, signal: AbortSignal): Promise<string> {
  for (;;) {
    try {
      const answer = await ask(path, line);
      if (answer !== '') return answer;
    } catch (error) {
      if (!NOT_YET.has((error as NodeJS.ErrnoException).code ?? '')) throw error;
    }
    await sleep(5, undefined, { signal });
  }
}
