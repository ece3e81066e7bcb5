import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { inspectProcess } from '../../agent/system/process.ts';
import { until } from './until.ts';

/** A process that has ended and that its parent does not wait for, in a process group of its own. */
export interface Zombie {
  readonly pid: number;
  /** Ends the parent, and so the zombie. */
  bury(): Promise<void>;
}

/** A shell's child ends only after `sleep`, which reaps no child, has replaced the shell. */
export async function makeZombie(): Promise<Zombie> {
  const script = 'setsid sh -c "read line <&3" & echo $!; exec sleep 1000 3<&-';
  const parent = spawn('sh', ['-c', script], { stdio: ['ignore', 'pipe', 'ignore', 'pipe'] });
  const bury = async (): Promise<void> => {
    const ended = once(parent, 'exit');
    parent.kill('SIGKILL');
    await ended;
  };
  const lines = createInterface(parent.stdio[1] as Readable);
  const [line] = (await once(lines, 'line')) as [string];
  const comm = `/proc/${String(parent.pid)}/comm`;
  await until('sleep has taken over', () => readFileSync(comm, 'utf8') === 'sleep\n');
  (parent.stdio[3] as Writable).end('\n');
  await until('a zombie', () => (inspectProcess(Number(line)) as { state?: string }).state === 'Z');
  return { pid: Number(line), bury };
}
