import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { freePort } from './ports.ts';
import type { SidecarNode } from './sidecar.ts';

/** An application that the test starts in the foreground: its sidecar can stop it, and not start it. */
export interface ChildNode extends SidecarNode {
  readonly port: number;
  readonly hasEnded: boolean;
  /** Kills it, and waits for its end. Safe to call twice. */
  kill(): Promise<void>;
}

/**
 * Starts an application, with a pid file in `dir`; resolves once it has written that it listens.
 * @param words of its command line, for this port
 * @param listens what it writes then; default: the first that it writes
 * @throws Error with its stderr when it ends instead
 */
export async function startChildNode(
  name: string,
  dir: string,
  words: (port: number) => readonly string[],
  listens = '',
): Promise<ChildNode> {
  const port = await freePort();
  // setpriv: it dies with the process that started it, even when that one is killed.
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', ...words(port)], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = once(child, 'exit');
  let errors = '';
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (errors += chunk));
  const failed = ended.then(() => Promise.reject(new Error(`${name} ended: ${errors}`)));
  failed.catch(() => undefined);
  await Promise.race([written(child.stdout, listens), failed]);
  const pidFile = join(dir, `${name}.pid`);
  await writeFile(pidFile, `${child.pid ?? 0}\n`);
  return {
    name,
    port,
    url: `http://127.0.0.1:${port}`,
    pidFile,
    startCommand: [],
    agentPort: await freePort(),
    get hasEnded() {
      return child.exitCode !== null || child.signalCode !== null;
    },
    async kill() {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

async function written(stdout: Readable, text: string): Promise<void> {
  let all = '';
  stdout.setEncoding('utf8').on('data', (chunk: string) => (all += chunk));
  do await once(stdout, 'data');
  while (!all.includes(text));
}
