import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { packageRoot } from './sample.ts';

/** A child process that is asked by its IPC channel, one command at a time. */
export interface ChildProgram<Command, Answer> {
  readonly pid: number;
  ask(command: Command): Promise<Answer>;
  kill(): Promise<void>;
}

/**
 * Starts a program of test/fixtures; resolves once it has said that it is ready.
 * @throws Error when it ends instead
 */
export async function startChildProgram<Command extends object, Answer>(
  name: string,
  words: readonly string[],
): Promise<ChildProgram<Command, Answer>> {
  const child: ChildProcess = fork(join(packageRoot(), 'dist', 'test', 'fixtures', `${name}.js`), words);
  const ended = once(child, 'exit');
  const gone = ended.then(([code]): never => {
    throw new Error(`${name} ended (${String(code)})`);
  });
  gone.catch(() => undefined);
  const answer = async (): Promise<Answer> => {
    const [message] = (await Promise.race([once(child, 'message'), gone])) as [Answer];
    return message;
  };
  await answer();
  return {
    pid: child.pid ?? 0,
    ask(command) {
      const answered = answer();
      child.send(command);
      return answered;
    },
    async kill() {
      child.kill('SIGKILL');
      await ended;
    },
  };
}
