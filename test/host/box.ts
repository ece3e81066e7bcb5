import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { packageRoot } from '../support/sample.ts';
import { makeTempDir } from '../support/tempdir.ts';
import { until } from '../support/until.ts';

/** What a command inside left. */
export interface BoxOutcome {
  /** null when a signal ended it. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A command inside that still runs. */
export interface BoxProcess {
  readonly ended: Promise<BoxOutcome>;
  /** Resolves with its first output. @throws Error when it ends before */
  readonly begun: Promise<void>;
  /** The end of its standard input. */
  close(): void;
}

/** A real Debian system (test/host/box.sh): its own systemd, units, users, network and files. */
export interface Box {
  /** Runs a command inside as root, with a clean environment, to its end. */
  run(command: readonly string[], input?: string): Promise<BoxOutcome>;
  /** The same for a script of the shell; what it prints, trimmed. @throws Error unless it ends with 0 */
  sh(script: string): Promise<string>;
  start(command: readonly string[]): BoxProcess;
  /** Starts a program of this machine that only uses the network of the box. */
  startOutside(command: readonly string[]): BoxProcess;
  /** Writes a file inside; its directories are made. */
  write(path: string, text: string, mode?: string): Promise<void>;
  /** Resolves once the system has powered itself off. */
  untilOff(): Promise<void>;
  /** A power cut: no process ends in an orderly way, and what is on the disks stays. */
  cut(): Promise<void>;
  /** Boots again, with a new boot id over the same files. */
  boot(): Promise<void>;
  /** Kills it and removes everything. Safe to call at any time. */
  close(): Promise<void>;
}

/** As on Debian; HOME for programs that look for it. */
const CLEAN = [
  'env',
  '-i',
  'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  'HOME=/root',
  'LANG=C.UTF-8',
];
const BOOT_MS = 60_000;

/**
 * Boots a box.
 * @param binds HOSTDIR:MOUNTPOINT each, the latter below /run or /tmp
 * @throws Error with the console's last lines when the system does not come up within a minute
 */
export async function openBox(binds: readonly string[]): Promise<Box> {
  const temp = await makeTempDir();
  const script = join(packageRoot(), 'test', 'host', 'box.sh');
  const holder = spawn(script, [temp.path, ...binds], { stdio: ['pipe', 'pipe', 'pipe'] });
  const said = createWriteStream(join(temp.path, 'holder.log'));
  holder.stderr.pipe(said);
  const holderEnded = once(holder, 'close');
  let pid = 0;
  let life = Promise.resolve();
  let endLife = (): void => undefined;
  const outside: Live[] = [];
  createInterface(holder.stdout).on('line', (line) => {
    const found = /^pid (\d+)$/.exec(line)?.[1];
    if (found !== undefined) pid = Number(found);
    else if (line === 'ended') {
      pid = 0;
      endLife();
    }
  });
  const enter = (namespaces: string, command: readonly string[]): Live => {
    if (pid === 0) throw new Error('the box is off');
    return live(['nsenter', '-t', String(pid), ...namespaces.split(' '), ...command]);
  };
  const start = (command: readonly string[]): Live =>
    enter('-m -p -n -u -i -C -r -w', [...CLEAN, ...command]);
  const run = (command: readonly string[], input = ''): Promise<BoxOutcome> => {
    const child = start(command);
    child.close(input);
    return child.ended;
  };
  const must = async (what: string, command: readonly string[], input?: string): Promise<string> => {
    const { code, stdout, stderr } = await run(command, input);
    if (code === 0) return stdout.trim();
    throw new Error(`in the box: ${what}: exit code ${String(code)}: ${stderr}${stdout}`);
  };
  const boot = async (): Promise<void> => {
    let isOver = false;
    life = new Promise((resolve) => (endLife = resolve));
    void life.then(() => (isOver = true));
    holder.stdin.write('boot\n');
    const late = performance.now() + BOOT_MS;
    await until('the system in the box is up', async () => {
      if (isOver || performance.now() > late)
        throw new Error(`the box did not come up: ${await consoleOf(temp.path)}`);
      if (pid === 0) return false;
      const { stdout } = await run(['systemctl', 'is-system-running', '--wait']);
      return ['running', 'degraded'].includes(stdout.trim());
    });
  };
  const close = async (): Promise<void> => {
    for (const one of outside) one.kill();
    holder.stdin.end();
    await holderEnded;
    await temp.remove();
  };
  const box: Box = {
    run,
    sh: (text) => must(text, ['sh', '-euc', text]),
    start,
    startOutside(command) {
      const started = enter('-n', command);
      outside.push(started);
      return started;
    },
    async write(path, text, mode = '0644') {
      const script = 'mkdir -p "$(dirname "$1")" && cat >"$1" && chmod "$2" "$1"';
      await must(`write ${path}`, ['sh', '-c', script, '_', path, mode], text);
    },
    untilOff: () => life,
    async cut() {
      if (pid === 0) throw new Error('the box is off');
      process.kill(pid, 'SIGKILL');
      await life;
    },
    boot,
    close,
  };
  try {
    await boot();
    return box;
  } catch (error) {
    await close();
    throw error;
  }
}

interface Live extends BoxProcess {
  close(input?: string): void;
  kill(): void;
}

function live([program = '', ...args]: readonly string[]): Live {
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] });
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (stdout += chunk));
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (stderr += chunk));
  // A command that ends without reading its input is no fault.
  child.stdin.on('error', () => undefined);
  const ended = once(child, 'close').then(([code]) => ({ code: code as number | null, stdout, stderr }));
  const begun = Promise.race([
    once(child.stdout, 'data').then(() => undefined),
    ended.then(({ code }) => Promise.reject(new Error(`it ended (${String(code)}): ${stderr}`))),
  ]);
  // Of interest only to a caller that waits for it.
  begun.catch(() => undefined);
  return { ended, begun, close: (input = '') => child.stdin.end(input), kill: () => child.kill('SIGKILL') };
}

async function consoleOf(dir: string): Promise<string> {
  const text = `${await readFile(join(dir, 'holder.log'), 'utf8')}${await readFile(join(dir, 'console.log'), 'utf8')}`;
  return text.split('\n').slice(-20).join('\n');
}
