import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { errnoOf } from '../../agent/system/error.ts';
import { LASTCALL } from './cli.ts';
import type { SiteNode } from './site.ts';

/** How a `lastcall` command ended. */
export interface CliOutcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A real `lastcall run` beside a node. */
export interface Sidecar {
  readonly control: string;
  readonly pid: number;
  /** Its log so far. */
  log(): string;
  /** Runs `lastcall WORDS --socket CONTROL` to its end; an abort kills it. */
  lastcall(words: readonly string[], signal: AbortSignal): Promise<CliOutcome>;
  /** SIGTERM, which leaves everything as it is, and waits for its end. Safe to call twice. */
  stop(): Promise<void>;
  /** SIGKILL, and waits for its end. */
  kill(): Promise<void>;
  /** Resolves with its end, however it comes. */
  readonly ended: Promise<void>;
}

/** Where a sidecar stands: a directory for its files, and its HAProxy. A site is such a place. */
export interface SidecarPlace {
  readonly dir: string;
  readonly haproxy: { readonly socket: string };
}

/** What a configuration for a node of the site may differ in, as YAML values. */
export interface SidecarOptions {
  readonly quiet?: string;
  readonly timeout?: string;
  readonly probeEvery?: string;
  /** false: nothing to start the application by. */
  readonly start?: boolean;
  /** Whole sections of the file, in place of those made here. */
  readonly sections?: Readonly<Record<string, unknown>>;
  /** Besides the environment of the test. */
  readonly env?: Readonly<Record<string, string>>;
  /** lastcall.cjs, where it is not the one of this checkout. */
  readonly program?: string;
  /** A module that Node loads before the program. */
  readonly preload?: string;
  /** The words of a command that runs the program, whose words come after them. */
  readonly within?: readonly string[];
}

/** What a sidecar knows of its node. */
export type SidecarNode = Pick<SiteNode, 'name' | 'url' | 'pidFile' | 'startCommand' | 'agentPort'>;

/** The configuration of one node's sidecar. JSON is YAML too. */
export function sidecarConfig(site: SidecarPlace, node: SidecarNode, options: SidecarOptions = {}): object {
  return {
    node: node.name,
    app: {
      probe: { http: { url: `${node.url}/health` }, every: options.probeEvery ?? '250ms', timeout: '1s' },
      ...(options.start === false ? {} : { start: { command: node.startCommand } }),
      stop: { signal: { name: 'SIGTERM', pidFile: node.pidFile, killAfter: '5s' } },
    },
    balancers: [{ haproxy: `unix:${site.haproxy.socket}`, servers: [`app/${node.name}`] }],
    sessions: [{ http: { url: `${node.url}/sessions` } }],
    // Where a reload's old worker cannot be asked, it is doubted for so long.
    reloadGrace: '1s',
    drain: { timeout: options.timeout ?? '30s', quiet: options.quiet ?? '1s' },
    listen: {
      agentCheck: { address: `127.0.0.1:${node.agentPort}`, allow: ['127.0.0.1/32'] },
      control: join(site.dir, `${node.name}.sock`),
    },
    state: join(site.dir, `${node.name}.json`),
    log: { level: 'info', format: 'text' },
    ...options.sections,
  };
}

/**
 * Starts the sidecar of a node; resolves once its control socket takes connections.
 * @throws Error with its log when it ends instead
 */
export async function startSidecar(
  site: SidecarPlace,
  node: SidecarNode,
  signal: AbortSignal,
  options: SidecarOptions = {},
): Promise<Sidecar> {
  const file = join(site.dir, `${node.name}.yaml`);
  const control = join(site.dir, `${node.name}.sock`);
  await writeFile(file, JSON.stringify(sidecarConfig(site, node, options)));
  // setpriv: it dies with the process that started it, even when that one is killed.
  const preload = options.preload === undefined ? [] : ['--import', options.preload];
  const program = [process.execPath, ...preload, options.program ?? LASTCALL, 'run', '-c', file];
  const command = ['--pdeathsig', 'KILL', ...(options.within ?? []), ...program];
  const child = spawn('setpriv', command, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...options.env },
  });
  let log = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => (log += chunk));
  }
  const ended = once(child, 'exit');
  child.once('exit', (code, signal) => void (log += `(ended: ${code ?? signal})\n`));
  const failed = ended.then(([code]) =>
    Promise.reject(new Error(`lastcall run ended (${String(code)}): ${log}`)),
  );
  failed.catch(() => undefined);
  const end = async (how: NodeJS.Signals): Promise<void> => {
    child.kill(how);
    await ended;
  };
  const stop = (): Promise<void> => end('SIGTERM');
  const waiting = new AbortController();
  try {
    await Promise.race([untilConnects(control, AbortSignal.any([signal, waiting.signal])), failed]);
  } catch (error) {
    await stop();
    throw error;
  } finally {
    waiting.abort();
  }
  return {
    control,
    pid: child.pid ?? 0,
    log: () => log,
    lastcall: (words, abort) => runLastcall([...words, '--socket', control], abort),
    stop,
    kill: () => end('SIGKILL'),
    ended: ended.then(() => undefined),
  };
}

/** Runs the command line to its end, as a deploy script does. */
export async function runLastcall(words: readonly string[], signal: AbortSignal): Promise<CliOutcome> {
  const child = spawn(process.execPath, [LASTCALL, ...words], { stdio: ['ignore', 'pipe', 'pipe'], signal });
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'exit') as Promise<[number | null]>,
  ]);
  return { code, stdout, stderr };
}

async function untilConnects(path: string, signal: AbortSignal): Promise<void> {
  while (!(await connects(path))) await sleep(5, undefined, { signal });
}

function connects(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = connect({ path }, () => resolve(true));
    socket.on('error', (error) => {
      if (['ENOENT', 'ECONNREFUSED'].includes(errnoOf(error) ?? '')) resolve(false);
      else reject(error);
    });
    socket.on('connect', () => socket.destroy());
  });
}
