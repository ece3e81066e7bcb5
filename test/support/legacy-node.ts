import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { errnoOf } from '../../agent/system/error.ts';
import { processStatus, startTimeOf } from '../../agent/system/process.ts';
import { packageRoot } from './sample.ts';

const execute = promisify(execFile);

/** One running copy of the legacy application, started as a service is: in the background, known by its pid file. */
export interface LegacyNode {
  readonly name: string;
  readonly port: number;
  readonly url: string;
  readonly pidFile: string;
  /** Program and arguments that start it; they return once its process runs. */
  readonly startCommand: readonly string[];
  start(): Promise<void>;
  /** SIGTERM, and see that it is gone. */
  terminate(signal: AbortSignal): Promise<void>;
  /** Resolves once /health answers 200. */
  untilServing(signal: AbortSignal): Promise<void>;
  /** Sessions in its memory; null when it cannot be asked. */
  sessions(): Promise<number | null>;
  /** Sessions that were ever made in this process, the lost and the ended included. */
  made(): Promise<number>;
  /** What it wrote down at each SIGTERM, over all its processes; with `termMs` only. */
  terms(): Promise<readonly Term[]>;
  /** When it gave each good answer to /health, in milliseconds since 1970, over all its processes; with `logsHealth` only. */
  goodHealth(): Promise<readonly number[]>;
  /** How many processes of it have begun so far; with `logsHealth` only. */
  started(): Promise<number>;
  /** Kills it, also one that is just being started. Safe to call at any time. */
  kill(): Promise<void>;
}

/** A SIGTERM: how many sessions lived then, and how many had been made in that process. */
export interface Term {
  readonly active: number;
  readonly made: number;
  readonly pid: number;
}

export interface LegacyNodeOptions {
  readonly name: string;
  readonly port: number;
  /** Where its pid file goes. */
  readonly dir: string;
  /** From the start of the process to the first answer, in milliseconds. */
  readonly warmMs?: number;
  /** Its port is open from the start, and everything is answered 503 until then. */
  readonly warmOpen?: boolean;
  /** Writes down each start and each good answer to /health in `${name}.health` beside the pid file. */
  readonly logsHealth?: boolean;
  /** After so many milliseconds without a request a session is gone; default never. */
  readonly idleMs?: number;
  /** Handles SIGTERM: writes each one down in `${name}.terms` beside the pid file, and ends so many milliseconds later. */
  readonly termMs?: number;
  /** At SIGTERM it closes its listener at once. */
  readonly closesFirst?: boolean;
  /** A second port at which it listens. */
  readonly alsoPort?: number;
  /** The program in test/fixtures; default legacy-app, the only one that knows all of these. */
  readonly program?: 'legacy-app' | 'fast-app';
}

/** Describes a node; nothing runs before `start`. */
export function createLegacyNode(options: LegacyNodeOptions): LegacyNode {
  const url = `http://127.0.0.1:${options.port}`;
  const pidFile = join(options.dir, `${options.name}.pid`);
  const program = join(packageRoot(), 'dist', 'test', 'fixtures', `${options.program ?? 'legacy-app'}.js`);
  const words =
    `--daemon --port ${options.port} --node ${options.name} ` +
    `--warm-ms ${options.warmMs ?? 0} --idle-ms ${options.idleMs ?? 0}`;
  const termLog = join(options.dir, `${options.name}.terms`);
  const terms =
    options.termMs === undefined ? [] : ['--term-log', termLog, '--term-ms', String(options.termMs)];
  const closing = options.closesFirst === true ? ['--closes-first'] : [];
  const also = options.alsoPort === undefined ? [] : ['--also-port', String(options.alsoPort)];
  const healthLog = join(options.dir, `${options.name}.health`);
  const health = options.logsHealth === true ? ['--health-log', healthLog] : [];
  const warming = options.warmOpen === true ? ['--warm-open'] : [];
  const args = [...words.split(' '), ...terms, ...closing, ...also, ...warming, ...health];
  const startCommand = [process.execPath, program, ...args, '--pid-file', pidFile];
  return {
    name: options.name,
    port: options.port,
    url,
    pidFile,
    startCommand,
    async start() {
      await execute(startCommand[0] ?? '', startCommand.slice(1));
    },
    async terminate(signal) {
      const pid = await livingPid(pidFile);
      const startTime = pid === null ? null : startTimeOf(pid);
      if (pid === null || startTime === null) return;
      send(pid, 'SIGTERM');
      // It is not our child, and Linux reports its end to no other process.
      while (processStatus(pid, startTime) === 'alive') await sleep(5, undefined, { signal });
    },
    async kill() {
      for (let pids = processesOf(pidFile); pids.length > 0; pids = processesOf(pidFile)) {
        for (const pid of pids) send(pid, 'SIGKILL');
        await sleep(5);
      }
    },
    async untilServing(signal) {
      while (!(await serves(`${url}/health`))) await sleep(20, undefined, { signal });
    },
    sessions: () => count(`${url}/sessions`),
    made: async () =>
      ((await (await fetch(`${url}/sessions.json`)).json()) as { readonly made: number }).made,
    terms: () => termsIn(termLog),
    goodHealth: async () => (await linesOf(healthLog)).filter((line) => line !== 'started').map(Number),
    started: async () => (await linesOf(healthLog)).filter((line) => line === 'started').length,
  };
}

async function termsIn(file: string): Promise<Term[]> {
  return (await linesOf(file)).map((line) => {
    const [, active = Number.NaN, made = Number.NaN, pid = Number.NaN] = line.split(' ').map(Number);
    return { active, made, pid };
  });
}

/** Whole lines; none where there is no such file. */
async function linesOf(file: string): Promise<string[]> {
  try {
    return (await readFile(file, 'utf8')).split('\n').slice(0, -1);
  } catch (error) {
    if (isGone(error)) return [];
    throw error;
  }
}

/** The pid in the file, if that process is the application which wrote it: a stale pid may be any process by now. */
async function livingPid(pidFile: string): Promise<number | null> {
  try {
    const pid = Number(await readFile(pidFile, 'utf8'));
    return names(pid, pidFile) ? pid : null;
  } catch (error) {
    if (isGone(error)) return null;
    throw error;
  }
}

/** The application and the process that is just starting it: both have the pid file among their arguments. */
function processesOf(pidFile: string): number[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return pids.map(Number).filter((pid) => pid !== process.pid && names(pid, pidFile));
}

function names(pid: number, pidFile: string): boolean {
  try {
    const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
    return words.includes('--pid-file') && words.includes(pidFile);
  } catch (error) {
    if (isGone(error)) return false;
    throw error;
  }
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (!isGone(error)) throw error;
  }
}

/** No such file, or no such process any more. */
function isGone(error: unknown): boolean {
  return ['ENOENT', 'ESRCH'].includes(errnoOf(error) ?? '');
}

async function serves(url: string): Promise<boolean> {
  try {
    return (await fetch(url, { signal: AbortSignal.timeout(1000) })).ok;
  } catch {
    return false;
  }
}

async function count(url: string): Promise<number | null> {
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(10_000) });
    return answer.ok ? Number(await answer.text()) : null;
  } catch {
    return null;
  }
}
