import { spawn, type ChildProcess } from 'node:child_process';

/** Starts a program that is to say nothing, in a group of its own. */
export function spawnQuiet([program = '', ...args]: readonly string[]): ChildProcess {
  return spawn(program, args, { detached: true, stdio: 'ignore' });
}
