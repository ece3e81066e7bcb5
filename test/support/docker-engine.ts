import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { processStatus, startTimeOf } from '../../agent/system/process.ts';
import type { Present } from './fixture-reports.ts';

/**
 * An engine that follows the Engine API as far as a stop needs it (docs.docker.com/reference/api/engine: inspect, stop),
 * over real processes: a container is a process, and its life begins anew when it is given another one.
 */
export interface DockerEngine {
  readonly socket: string;
  /** What it was asked, `METHOD PATH`, in order. */
  readonly asked: readonly string[];
  /** Makes the container, or starts it again. */
  run(name: string, app: Present): void;
  remove(name: string): void;
  /** From now on it answers nothing but this status; null = as usual. */
  answerOnly(status: number | null): void;
  stop(): Promise<void>;
}

interface Container {
  readonly id: string;
  readonly pid: number;
  readonly startTime: string;
  readonly startedAt: string;
  exitCode: number;
}

/** @param dir where its socket is made */
export async function startDockerEngine(dir: string): Promise<DockerEngine> {
  const socket = join(dir, 'docker.sock');
  const containers = new Map<string, Container>();
  const asked: string[] = [];
  let only: number | null = null;
  let lives = 0;
  const find = (name: string): Container | undefined =>
    containers.get(name) ?? [...containers.values()].find(({ id }) => id === name);
  const server = createServer((request, response) => {
    const { method = '', url = '' } = request;
    asked.push(`${method} ${url}`);
    const { pathname, searchParams } = new URL(url, 'http://engine');
    const [, root, name = '', what] = pathname.split('/');
    const container = find(decodeURIComponent(name));
    if (only !== null) return reply(response, only, { message: 'not now' });
    if (root !== 'containers' || container === undefined)
      return reply(response, 404, { message: `No such container: ${name}` });
    if (method === 'GET' && what === 'json') return reply(response, 200, inspected(container));
    if (method !== 'POST' || what !== 'stop') return reply(response, 404, { message: 'page not found' });
    if (!isRunning(container)) return reply(response, 304);
    void end(container, Number(searchParams.get('t'))).then(() => reply(response, 204));
  });
  server.listen(socket);
  await once(server, 'listening');
  return {
    socket,
    asked,
    run(name, { pid }) {
      lives += 1;
      const id = containers.get(name)?.id ?? `${containers.size}`.padStart(64, 'a');
      const startedAt = `2026-11-29T10:00:00.${String(lives).padStart(9, '0')}Z`;
      containers.set(name, { id, pid, startTime: startTimeOf(pid) ?? '', startedAt, exitCode: 0 });
    },
    remove: (name) => void containers.delete(name),
    answerOnly: (status) => void (only = status),
    async stop() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function isRunning({ pid, startTime }: Container): boolean {
  return processStatus(pid, startTime) === 'alive';
}

function inspected(container: Container): object {
  const { id, pid, startedAt, exitCode } = container;
  const running = isRunning(container);
  const state = {
    Status: running ? 'running' : 'exited',
    Running: running,
    Paused: false,
    StartedAt: startedAt,
  };
  return { Id: id, State: { ...state, Pid: running ? pid : 0, ExitCode: running ? 0 : exitCode } };
}

/** SIGTERM, so many seconds, SIGKILL. */
async function end(container: Container, seconds: number): Promise<void> {
  process.kill(container.pid, 'SIGTERM');
  const until = performance.now() + seconds * 1000;
  while (isRunning(container) && performance.now() < until) await sleep(10);
  if (!isRunning(container)) return;
  process.kill(container.pid, 'SIGKILL');
  while (isRunning(container)) await sleep(10);
  container.exitCode = 137;
}

function reply(response: ServerResponse, status: number, body?: object): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(body === undefined ? undefined : `${JSON.stringify(body)}\n`);
}
