import { spawn } from 'node:child_process';
import { once } from 'node:events';

export interface IdleProcess {
  readonly pid: number;
  kill(signal: NodeJS.Signals): void;
  /** Kills it, and resolves once it has ended. */
  end(): Promise<void>;
}

/** A process that does nothing until it is ended. */
export async function idle(): Promise<IdleProcess> {
  const child = spawn('sleep', ['600'], { stdio: 'ignore' });
  await once(child, 'spawn');
  const ended = once(child, 'exit');
  return {
    pid: child.pid ?? 0,
    kill: (signal) => void child.kill(signal),
    async end() {
      child.kill('SIGKILL');
      await ended;
    },
  };
}
