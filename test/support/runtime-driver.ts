import { afterEach } from '@jest/globals';
import { createRuntimeBalancer } from '../../agent/balancers/runtime-api/driver.ts';
import type { Balancer } from '../../agent/balancers/balancer.ts';
import type { ServerView } from '../../agent/lifecycle/model/observation.ts';
import { realClock } from '../../agent/system/clock.ts';
import { startHaproxy, type Haproxy } from './haproxy.ts';
import type { HoldingApp } from './long-request-app.ts';
import { never } from './outcome.ts';

/** Drivers of the Runtime API over a real HAProxy and a real application behind it. */

export const DEFAULTS = `
defaults
  mode http
  timeout connect 1s
  timeout client 30s
  timeout server 30s
`;
export let haproxy: Haproxy | undefined;
export let app: HoldingApp | undefined;

afterEach(async () => {
  await haproxy?.stop();
  await app?.stop();
  haproxy = app = undefined;
});

export async function site(config: string, options: { master?: boolean } = {}): Promise<Haproxy> {
  haproxy = await startHaproxy(DEFAULTS + config, options);
  return haproxy;
}

export const driver = ({ socket }: { socket: string }, ...servers: readonly string[]): Balancer =>
  createRuntimeBalancer({ address: socket, servers, timeoutMs: 5_000 }, { clock: realClock });

export async function viewOf(balancer: Balancer): Promise<ServerView> {
  const [view] = (await balancer.look(never)).servers;
  if (view === undefined) throw new Error('no server in the look');
  return view;
}

/** @returns what is stopped after the test */
export function keepApp(to: HoldingApp): HoldingApp {
  app = to;
  return to;
}

/** @returns what is stopped after the test */
export function keepHaproxy(to: Haproxy): Haproxy {
  haproxy = to;
  return to;
}
