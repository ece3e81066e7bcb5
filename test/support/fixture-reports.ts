import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { errnoOf } from '../../agent/system/error.ts';
import { isRunning, inspectProcess } from '../../agent/system/process.ts';
import { until } from './until.ts';

/** A fixture program that has reported itself. */
export interface Present {
  readonly pid: number;
  /** Its report besides its pid. */
  readonly note: string;
  /** Resolves when its process has ended, whatever ended it. */
  readonly gone: Promise<void>;
}

/** Where fixture programs report once they are ready: no test has to wait for a while and hope. */
export interface RollCall {
  /** What a fixture takes as its first argument. */
  readonly port: string;
  /** The next program to report. */
  next(): Promise<Present>;
  /** Ends all that have reported and still live; resolves when all connections are closed. */
  close(): Promise<void>;
}

export async function openRollCall(): Promise<RollCall> {
  const reports: Present[] = [];
  const waiting: ((present: Present) => void)[] = [];
  /** Each connection and the pid that it has reported. */
  const present = new Map<Socket, number | null>();
  const server = createServer((socket) => {
    present.set(socket, null);
    const gone = new Promise<void>((resolve) => {
      socket.once('close', () => {
        present.delete(socket);
        resolve();
      });
    });
    socket.on('error', () => socket.destroy());
    socket.once('data', (line: Buffer) => {
      const [pid, note = ''] = line.toString().trim().split(' ');
      present.set(socket, Number(pid));
      const reported = { pid: Number(pid), note, gone: gone.then(() => untilEnded(Number(pid))) };
      // Code that does not ask for it does not need its error.
      reported.gone.catch(() => undefined);
      const first = waiting.shift();
      if (first === undefined) reports.push(reported);
      else first(reported);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: String((server.address() as AddressInfo).port),
    next: () => {
      const first = reports.shift();
      return first === undefined ? new Promise((resolve) => waiting.push(resolve)) : Promise.resolve(first);
    },
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const [socket, pid] of present) {
        // A fixture ends with its connection, but not while it is frozen.
        if (pid !== null) kill(pid);
        socket.destroy();
      }
      await closed;
    },
  };
}

/** The connection closes early in a process' end; under load its memory takes longer. */
async function untilEnded(pid: number): Promise<void> {
  await until(`process ${pid} has ended`, () => {
    const stat = inspectProcess(pid);
    return stat === 'gone' || (typeof stat === 'object' && !isRunning(stat));
  });
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    // It has just ended, and its connection is being closed.
    if (errnoOf(error) !== 'ESRCH') throw error;
  }
}

/** The command line of a fixture program as the build leaves it. */
export function fixture(name: string, ...args: readonly (string | number)[]): string[] {
  const path = fileURLToPath(new URL(`../../dist/test/fixtures/${name}.js`, import.meta.url));
  return [process.execPath, path, ...args.map(String)];
}
