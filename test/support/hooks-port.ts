import { afterEach, beforeEach } from '@jest/globals';
import { writeFile } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { operate } from '../../agent/engine/operate.ts';
import { openHooksServer } from '../../agent/control/hooks-server.ts';
import { OWN_TERMS } from '../../agent/lifecycle/model/policy.ts';
import { realClock } from '../../agent/system/clock.ts';
import type { HttpListener } from '../../agent/system/http-listener.ts';
import { createListenSockets, type ListenSockets } from '../../agent/system/listen-sockets.ts';
import { askHttp } from './ask-http.ts';
import { memoryLog, type MemoryLog } from './memory-log.ts';
import { freePort } from './ports.ts';
import { createScriptedService, type ScriptedService } from './scripted-service.ts';
import { makeTempDir, type TempDir } from './tempdir.ts';

/** The port of `listen.hooks` over a drain that the test answers. */

export const TOKEN = '0123456789abcdef0123456789abcdef';

export const path = '/hooks/prestop';
let dir: TempDir;
export let port: number;
export let service: ScriptedService;
export let log: MemoryLog;
export let sockets: ListenSockets;
export let server: HttpListener | undefined;
export let asked: number[];

export const clients: Socket[] = [];

beforeEach(async () => {
  dir = await makeTempDir();
  port = await freePort();
  service = createScriptedService();
  log = memoryLog();
  sockets = createListenSockets(realClock);
  asked = [];
});

afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  await server?.close();
  server = undefined;
  await sockets.close('all');
  await dir.remove();
});

export const tokenFile = (): string => join(dir.path, 'token');

export async function open(options: { token?: string | null; timeoutMs?: number } = {}): Promise<void> {
  const { token = TOKEN, timeoutMs = 60_000 } = options;
  if (token !== null) await writeFile(tokenFile(), `${token}\n`, { mode: 0o600 });
  const config = { host: '127.0.0.1', port, allow: [], tokenFile: token === null ? null : tokenFile() };
  server = await openHooksServer(config, {
    clock: realClock,
    log,
    sockets,
    timeoutMs: () => timeoutMs,
    drain: (leftMs) => {
      asked.push(leftMs);
      const request = {
        ...OWN_TERMS,
        id: `p${asked.length}`,
        kind: 'drain',
        reason: 'preStop',
        by: 'prestop',
      } as const;
      return operate(service, request);
    },
  });
}

export const ask = (more: { method?: string; path?: string; token?: string } = {}) =>
  askHttp(port, {
    path,
    ...more,
    headers: { authorization: `Bearer ${more.token ?? TOKEN}` },
  });
