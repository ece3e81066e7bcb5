import { afterEach, beforeEach } from '@jest/globals';
import type { Balancer } from '../../agent/balancers/balancer.ts';
import { createRuntimeBalancer } from '../../agent/balancers/runtime-api/driver.ts';
import type { Look } from '../../agent/lifecycle/model/observation.ts';
import { realClock } from '../../agent/system/clock.ts';
import { ask, startHaproxy, type Haproxy } from './haproxy.ts';
import { startLastingApp, type LastingApp } from './app-with-open-connections.ts';
import { never } from './outcome.ts';
import { freePort } from './ports.ts';
import { until } from './until.ts';

/** A HAProxy with a master, which the tests reload while its old workers have users. */

export const SERVER = 'app/app1';

export const COOKIE = 'SRV=c1';
export let app: LastingApp;
export let haproxy: Haproxy;
export let port: number;
export let tcpPort: number;
export let config: string;
export let balancer: Balancer;

export const driver = (master: string | null, servers: readonly string[] = [SERVER, 'wire/w1']): Balancer =>
  createRuntimeBalancer({ address: haproxy.socket, servers, timeoutMs: 5_000, master }, { clock: realClock });

beforeEach(async () => {
  app = await startLastingApp();
  [port, tcpPort] = [await freePort(), await freePort()];
  config = siteConfig(port, tcpPort, app.port);
  haproxy = await startHaproxy(config, { master: true });
  balancer = driver(haproxy.masterSocket);
});

afterEach(async () => {
  await haproxy.stop();
  await app.stop();
});

export const look = (): Promise<Look> => balancer.look(never);

export const connections = (seen: Look): readonly (number | null)[] =>
  seen.servers.map((view) => view.connections);

/** The next look of which this is true. */
export const lookUntil = (what: string, isThere: (seen: Look) => boolean): Promise<Look> =>
  until(what, async () => {
    const seen = await look();
    return isThere(seen) && seen;
  });

/** Reloads, and waits until the old worker takes no more connections: both listen for a moment. */
export async function reload(): Promise<number> {
  const old = await haproxy.workerPid();
  const pid = await haproxy.reload();
  const line = `@!${old} show info;quit`;
  await until('the old worker is stopping', async () => {
    return !(await ask(haproxy.masterSocket ?? '', line)).includes('Stopping: 0');
  });
  return pid;
}

export function siteConfig(http: number, tcp: number, appPort: number): string {
  return `
defaults
  mode http
  timeout connect 1s
  timeout client 60s
  timeout server 60s
  timeout queue 60s
  timeout tunnel 60s
listen app
  bind 127.0.0.1:${http}
  cookie SRV insert indirect nocache
  server app1 127.0.0.1:${appPort} cookie c1 maxconn 20
  server app2 127.0.0.1:${appPort} cookie c2
listen wire
  mode tcp
  bind 127.0.0.1:${tcp}
  server w1 127.0.0.1:${appPort}
`;
}

export function setBalancer(to: Balancer): void {
  balancer = to;
}
