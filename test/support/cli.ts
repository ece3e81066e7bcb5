import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { packageRoot } from './sample.ts';

/** The program as the package ships it, or the one that LASTCALL_BUNDLE names: a test of a test tries a wrong one. */
export const LASTCALL =
  process.env['LASTCALL_BUNDLE'] ?? join(packageRoot(), 'dist', 'bundle', 'lastcall.cjs');

/**
 * Copies the program, so that a test can take its files away while it runs, as an upgrade of the package does.
 * @returns lastcall.cjs in a directory of its own below `dir`
 */
export async function copyProgram(dir: string): Promise<string> {
  const copy = join(dir, 'bundle');
  await cp(dirname(LASTCALL), copy, { recursive: true });
  return join(copy, basename(LASTCALL));
}

export interface CommandOutcome {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Running {
  readonly child: ChildProcessWithoutNullStreams;
  readonly outcome: Promise<CommandOutcome>;
  /** Resolves as soon as stdout and stderr together hold the text. */
  said(text: string): Promise<void>;
}

const living = new Set<ChildProcessWithoutNullStreams>();

/**
 * Ends what `start` has started and still runs. A command whose sidecar is killed waits minutes for another one, and the
 * test's process as long for its command.
 */
export function killCommands(): void {
  for (const child of living) child.kill('SIGKILL');
}

/** Starts a program; with a terminal where `script` (util-linux) gives it one. */
export function start(command: string, args: readonly string[], env: Record<string, string> = {}): Running {
  const child = spawn(command, args, { env: { PATH: process.env['PATH'], ...env } });
  living.add(child);
  child.once('close', () => living.delete(child));
  const heard = { stdout: '', stderr: '' };
  const listeners = new Set<() => void>();
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream].setEncoding('utf8').on('data', (chunk: string) => {
      heard[stream] += chunk;
      for (const listener of listeners) listener();
    });
  }
  const outcome = once(child, 'close').then(([code, signal]): CommandOutcome => {
    for (const listener of listeners) listener();
    return { code: code as number | null, signal: signal as NodeJS.Signals | null, ...heard };
  });
  return {
    child,
    outcome,
    async said(text) {
      while (!`${heard.stdout}${heard.stderr}`.includes(text)) {
        if (child.exitCode !== null || child.signalCode !== null) {
          throw new Error(`it ended without saying ${JSON.stringify(text)}: ${JSON.stringify(heard)}`);
        }
        await new Promise<void>((resolve) => {
          const listener = (): void => {
            listeners.delete(listener);
            resolve();
          };
          listeners.add(listener);
        });
      }
    },
  };
}

export function lastcall(args: readonly string[], env?: Record<string, string>): Running {
  return start(process.execPath, [LASTCALL, ...args], env);
}
