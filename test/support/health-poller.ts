import { afterEach, beforeEach, expect } from '@jest/globals';
import type { Balancer } from '../../agent/balancers/balancer.ts';
import { createHealthServer, type HealthServer } from '../../agent/balancers/health-port/server.ts';
import type { NodeState } from '../../agent/balancers/health-port/answer.ts';
import { createHealthBalancer } from '../../agent/balancers/health-port/poll-only.ts';
import type { Admin } from '../../agent/lifecycle/model/observation.ts';
import { askHttp } from './ask-http.ts';
import { ManualClock } from './manual-clock.ts';
import { memoryLog } from './memory-log.ts';
import { never } from './outcome.ts';

/** A balancer that only asks the health port, and a monitor that asks it. */

export const NAME = 'health/127.0.0.0/8';

const ANSWERS = {
  up: { status: 200, body: 'UP' },
  drain: { status: 404, body: 'DRAIN' },
  down: { status: 503, body: 'DOWN' },
};
export let clock: ManualClock;
export let server: HealthServer;
export let port: number;
export let node: NodeState;
export let balancer: Balancer;

beforeEach(() => begin({ fall: 2, rise: 2 }));

afterEach(() => server.close());

export async function begin(monitor: { readonly fall: number; readonly rise: number }): Promise<void> {
  clock = new ManualClock();
  node = { phase: 'serving', health: 'up', balancers: [] };
  server = createHealthServer(
    { host: '127.0.0.1', port: 0, allow: [], answers: ANSWERS },
    { clock, log: memoryLog(), node: () => node },
  );
  balancer = createHealthBalancer(
    { kind: 'health', from: ['127.0.0.0/8'], ...monitor },
    { server, clock, node: () => node },
  );
  port = await server.listen();
}

/** The answer to a monitor; `state` is HAProxy's report of the server, where it sends it. */
export async function told(from = '127.0.0.1', state?: string): Promise<string> {
  const sent = `${state ?? ''}; address=10.0.0.1; port=80; name=app/app1; node=lb1; weight=1/2; scur=4/9; qcur=1`;
  const headers: Record<string, string> = state === undefined ? {} : { 'X-Haproxy-Server-State': sent };
  return (await askHttp(port, { from, headers })).body;
}

/** Sets a state while that many polls come from one address; returns their answers. */
export async function setWhilePolled(admin: Admin, polls: number, from?: string): Promise<string[]> {
  const done = balancer.set(NAME, admin, ['ready', 'drain', 'maint'], never);
  const answers: string[] = [];
  for (let n = 0; n < polls; n++) answers.push(await told(from));
  await done;
  return answers;
}

/** An operation begins with a survey, and that with a steady poller. */
export async function surveyed(): Promise<void> {
  const survey = balancer.survey(never);
  for (let n = 0; n < 2; n++) await told();
  expect(await survey).toMatchObject({ facts: [{ usable: true, usableOthers: null, sticky: 'unknown' }] });
}

export function setNode(to: NodeState): void {
  node = to;
}
