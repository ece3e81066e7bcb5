import { join } from 'node:path';
import { openControl } from '../../agent/control/server.ts';
import { realClock } from '../../agent/system/clock.ts';
import { type Running, lastcall } from './cli.ts';
import { ready, type ScriptedService, createScriptedService } from './scripted-service.ts';
import { makeTempDir } from './tempdir.ts';

/** A control socket with a scripted engine behind it, for the built command line. */
export interface ScriptedSidecar {
  /** An empty directory but for the socket. */
  readonly dir: string;
  /** The control socket. */
  readonly socket: string;
  readonly service: ScriptedService;
  /** Runs the built program against this socket. */
  cli(...args: string[]): Running;
  /** The socket is gone, as where the sidecar has ended; the engine stays. */
  stop(): Promise<void>;
  /** The socket is there again. */
  resume(): Promise<void>;
  /** Stops it and removes the directory. */
  close(): Promise<void>;
}

export async function openScriptedSidecar(): Promise<ScriptedSidecar> {
  const dir = await makeTempDir();
  const socket = join(dir.path, 'app1.sock');
  const service = createScriptedService();
  const open = () =>
    openControl({ path: socket, mode: 0o600, group: null }, { service, clock: realClock, ready });
  let control = await open();
  return {
    dir: dir.path,
    socket,
    service,
    cli: (...args) => lastcall(['--socket', socket, ...args]),
    stop: () => control.close(),
    async resume() {
      control = await open();
    },
    async close() {
      await control.close();
      await dir.remove();
    },
  };
}
