import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { errnoOf } from '../../agent/system/error.ts';
import { aliveness, startTimeOf } from '../../agent/system/process.ts';
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
  /** Resolves once /health says 200. */
  untilServing(signal: AbortSignal): Promise<void>;
  /** Sessions in its memory; null when it cannot be asked. */
  sessions(): Promise<number | null>;
  /** Kills whatever the pid file names, if it is still this application. Safe to call at any time. */
  kill(): Promise<void>;
}

export interface LegacyNodeOptions {
  readonly name: string;
  readonly port: number;
  /** Where its pid file goes. */
  readonly dir: string;
  /** From the start of the process to the first answer, in milliseconds. */
  readonly warmMs?: number;
  /** After so many milliseconds without a request a session is gone; default never. */
  readonly idleMs?: number;
}

/** Describes a node; nothing runs before `start`. */
export function createLegacyNode(options: LegacyNodeOptions): LegacyNode {
  const url = `http://127.0.0.1:${options.port}`;
  const pidFile = join(options.dir, `${options.name}.pid`);
  const program = join(packageRoot(), 'dist', 'test', 'fixtures', 'legacy-app.js');
  const words =
    `--daemon --port ${options.port} --node ${options.name} ` +
    `--warm-ms ${options.warmMs ?? 0} --idle-ms ${options.idleMs ?? 0}`;
  const startCommand = [process.execPath, program, ...words.split(' '), '--pid-file', pidFile];
  const end = async (how: NodeJS.Signals, signal: AbortSignal): Promise<void> => {
    const pid = await livingPid(pidFile);
    const startTime = pid === null ? null : startTimeOf(pid);
    if (pid === null || startTime === null) return;
    send(pid, how);
    // It is not our child, and Linux tells nobody else of its end.
    while (aliveness(pid, startTime) === 'alive') await sleep(5, undefined, { signal });
  };
  return {
    name: options.name,
    port: options.port,
    url,
    pidFile,
    startCommand,
    async start() {
      await execute(startCommand[0] ?? '', startCommand.slice(1));
    },
    terminate: (signal) => end('SIGTERM', signal),
    kill: () => end('SIGKILL', AbortSignal.timeout(10_000)),
    async untilServing(signal) {
      while (!(await serves(`${url}/health`))) await sleep(20, undefined, { signal });
    },
    sessions: () => count(`${url}/sessions`),
  };
}

/** The pid in the file, if that process is the application which wrote it: a stale pid may be anybody's by now. */
async function livingPid(pidFile: string): Promise<number | null> {
  try {
    const pid = Number(await readFile(pidFile, 'utf8'));
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').includes(pidFile) ? pid : null;
  } catch (error) {
    if (isGone(error)) return null;
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
    const answer = await fetch(url, { signal: AbortSignal.timeout(1000) });
    return answer.ok ? Number(await answer.text()) : null;
  } catch {
    return null;
  }
}
