import { afterEach, beforeEach } from '@jest/globals';
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { type ControlServer, openControl } from '../../agent/control/server.ts';
import type { ControlConfig } from '../../agent/config/config.ts';
import { realClock } from '../../agent/system/clock.ts';
import { ready, type ScriptedService, createScriptedService } from './scripted-service.ts';
import { type TempDir, makeTempDir } from './tempdir.ts';

/** A control socket over a scripted service, and raw requests to it. */

interface SocketAnswer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly text: string;
}

export let dir: TempDir;
export let path: string;
export let service: ScriptedService;
export let control: ControlServer | null;

export const never = new AbortController().signal;

beforeEach(async () => {
  dir = await makeTempDir();
  path = join(dir.path, 'app1.sock');
  service = createScriptedService();
  control = null;
});

afterEach(async () => {
  await control?.close();
  await dir.remove();
});

/** The control socket is at this path from now on. */
export function usePath(to: string): void {
  path = to;
}

/** What is closed after the test, in place of what `open` opened. */
export function useControl(server: ControlServer | null): void {
  control = server;
}

export async function open(more: Partial<ControlConfig> = {}, clock = realClock): Promise<ControlServer> {
  control = await openControl({ path, mode: 0o600, group: null, ...more }, { service, clock, ready });
  return control;
}

export function ask(method: string, target: string, body?: string): Promise<SocketAnswer> {
  return new Promise((done, fail) => {
    const sent = request({ socketPath: path, method, path: target, agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => (text += chunk));
      response.on('end', () => done({ status: response.statusCode ?? 0, headers: response.headers, text }));
      response.on('error', fail);
    });
    sent.on('error', fail);
    sent.end(body);
  });
}

export function post(words: unknown): Promise<SocketAnswer> {
  return ask('POST', '/v1/operations', typeof words === 'string' ? words : JSON.stringify(words));
}

export async function raw(bytes: string | Buffer): Promise<string> {
  const socket = connect(path);
  socket.setEncoding('utf8');
  let text = '';
  socket.on('data', (chunk: string) => (text += chunk));
  socket.write(bytes);
  await once(socket, 'close');
  return text;
}
