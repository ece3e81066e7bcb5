import { readdirSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { Socket } from 'node:net';
import type { Status } from '../../agent/lifecycle/model/api.ts';
import type { Haproxy } from '../support/haproxy.ts';
import { type Agent, patience, type Rig, statusAt } from '../support/rig.ts';
import type { StubServer } from '../support/stub-server.ts';
import { until } from '../support/until.ts';
import type { FaultStage } from './fault-stage.ts';

/** What several faults share. */

export const statusOf = (agent: Agent): Promise<Status> => agent.client.status(patience());

/** Resolves once HAProxy shows app1 so. */
export const shows = (haproxy: Haproxy, status: string): Promise<true> =>
  until(`app1 is in ${status}`, async () => (await statusAt(haproxy)) === status);

/** Resolves once a balancer of the sidecar does not answer it. */
export const isMissed = (agent: Agent, index = 0): Promise<true> =>
  until('the balancer is missed', async () => (await statusOf(agent)).balancers[index]?.reachable === false);

/** The sections of a sidecar that counts nothing but connections. */
export const CONNECTIONS_ONLY = { sticky: false, sessions: [] } as const;

/** The port at which users come in. */
export const portOf = (rig: Rig): number => Number(new URL(rig.url).port);

/** The process of the application. */
export const pidOf = async (rig: Rig): Promise<number> => Number(await readFile(rig.node.pidFile, 'utf8'));

/** Since a moment of `performance.now()`, for people. */
export const since = (from: number): string => `${((performance.now() - from) / 1000).toFixed(2)} s`;

/** A second server that serves everything, with its line for HAProxy. */
export async function usableOther(stage: FaultStage): Promise<{ stub: StubServer; line: string }> {
  const stub = await stage.stub((_request, response) => response.end('{"node":"app2","lost":false}'));
  return { stub, line: `  server app2 127.0.0.1:${stub.port} cookie app2\n` };
}

/** How many SIGTERMs came, and how many sessions lived at any of them. */
export async function stopsOf(rig: Rig): Promise<{ readonly stops: number; readonly stoppedWith: number }> {
  const terms = await rig.node.terms();
  return { stops: terms.length, stoppedWith: terms.reduce((sum, { active }) => sum + active, 0) };
}

/** Resolves once it is connected or refused. */
export function settled(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    socket.once('connect', resolve).on('error', () => {
      socket.destroy();
      resolve();
    });
  });
}

/** Open file descriptors of a process. */
export const descriptorsOf = (pid: number): number => readdirSync(`/proc/${pid}/fd`).length;

/** Resident memory of a process, in MB. */
export function residentMb(pid: number): number {
  const kb = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Math.round(Number(kb) / 102.4) / 10;
}
