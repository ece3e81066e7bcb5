import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { SidecarsCommand, SidecarsReport } from '../../fixtures/light-sidecars.ts';
import type { UsersCommand, UsersReport } from '../../fixtures/steady-users.ts';
import { bundle, createAuthority } from '../../support/certificates.ts';
import { startHaproxy, type Haproxy } from '../../support/haproxy.ts';
import { freePort } from '../../support/ports.ts';
import { startChildProgram, type ChildProgram } from '../../support/child-program.ts';
import { makeTempDir } from '../../support/tempdir.ts';

/** How sidecars reach HAProxy: on its machine, or over the network with certificates as in haproxy/runtime-api-tls.cfg. */
export const SOCKET_KINDS = ['unix', 'tcp', 'tls'] as const;
export type SocketKind = (typeof SOCKET_KINDS)[number];

/** One HAProxy with very many servers, one small application behind all of them, and users at an even pace. */
export interface ScaleSite {
  readonly haproxy: Haproxy;
  readonly users: ChildProgram<UsersCommand, UsersReport>;
  /** Starts the processes of `count` sidecars, not more than 25 in each; they begin when they are asked to. */
  sidecars(kind: SocketKind, count: number): Promise<SidecarGroup>;
  close(): Promise<void>;
}

/** The sidecars of several processes. */
export interface SidecarGroup {
  /** What they report together. `drain` and `undo` are the first process's. */
  ask(command: SidecarsCommand): Promise<SidecarsReport>;
  readonly pids: readonly number[];
  kill(): Promise<void>;
}

export interface ScaleOptions {
  /** Where `haproxy` is. */
  readonly programDir: string;
  readonly servers: number;
  /** Of the users together. */
  readonly requestsPerSecond: number;
}

/** Starts HAProxy and the users. */
export async function openScaleSite(options: ScaleOptions): Promise<ScaleSite> {
  const temp = await makeTempDir();
  const authority = await createAuthority(temp.path, 'bench');
  const lb = await bundle(await authority.issue('lb', 'IP:127.0.0.1'));
  const own = await authority.issue('node', 'DNS:node');
  const [port, tcp, tls] = [await freePort(), await freePort(), await freePort()];
  const app = await startApp();
  const more = { programDir: options.programDir };
  const haproxy = await startHaproxy((dir) => {
    const network =
      `global\n  stats socket 127.0.0.1:${tcp} level admin\n` +
      `listen runtime-api\n  mode tcp\n  bind 127.0.0.1:${tls} ssl crt ${lb} ca-file ${authority.ca} verify required\n` +
      '  timeout connect 2s\n  timeout queue 2s\n  timeout client 10s\n  timeout server 10s\n' +
      `  server cli unix@${join(dir, 'admin.sock')} maxconn 8\n`;
    return network + serversConfig(port, app.port, options.servers);
  }, more);
  const users = await startChildProgram<UsersCommand, UsersReport>('steady-users', [
    String(port),
    String(options.requestsPerSecond),
  ]);
  const addresses = { unix: haproxy.socket, tcp: `tcp://127.0.0.1:${tcp}`, tls: `tls://127.0.0.1:${tls}` };
  return {
    haproxy,
    users,
    sidecars: (kind, count) =>
      startSidecars(addresses[kind], count, kind === 'tls' ? [authority.ca, own.cert, own.key] : []),
    async close() {
      await users.kill();
      await haproxy.stop();
      app.close();
      await temp.remove();
    },
  };
}

/** Each server has an address of its own, as another machine has: otherwise all of them were one application. */
function serversConfig(port: number, appPort: number, count: number): string {
  const servers = Array.from({ length: count }, (_none, index) => {
    const address = `127.1.${Math.floor(index / 250)}.${(index % 250) + 1}`;
    return `  server app${index + 1} ${address}:${appPort} cookie app${index + 1}\n`;
  });
  return (
    'defaults\n  mode http\n  timeout connect 2s\n  timeout client 10m\n  timeout server 10m\n' +
    `frontend web\n  bind 127.0.0.1:${port}\n  default_backend app\n` +
    `backend app\n  balance roundrobin\n  cookie SRV insert indirect nocache\n${servers.join('')}`
  );
}

/** At every address of this machine. `/hang` is begun and never ended. */
async function startApp(): Promise<{ readonly port: number; close(): void }> {
  const server = createServer((request, response) => {
    if (request.url === '/hang') response.flushHeaders();
    else response.end('page');
  });
  server.listen(0, '0.0.0.0');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

/** As many share one event loop, and what a process keeps of one HAProxy: a sidecar has both for itself. */
const MOST_TOGETHER = 25;

async function startSidecars(
  address: string,
  count: number,
  certificates: readonly string[],
): Promise<SidecarGroup> {
  const groups: ChildProgram<SidecarsCommand, SidecarsReport>[] = [];
  for (let from = 1; from <= count; from += MOST_TOGETHER) {
    const size = Math.min(MOST_TOGETHER, count + 1 - from);
    const words = [address, String(from), String(size), ...certificates];
    groups.push(await startChildProgram('light-sidecars', words));
  }
  const [first] = groups;
  return {
    pids: groups.map(({ pid }) => pid),
    async ask(command) {
      const asked = 'drain' in command || 'undo' in command ? [first] : groups;
      const reports = await Promise.all(asked.flatMap((one) => one?.ask(command) ?? []));
      return {
        ms: Math.max(...reports.map(({ ms }) => ms)),
        answered: reports.reduce((sum, { answered }) => sum + answered, 0),
        failed: reports.flatMap(({ failed }) => failed),
        pollMs: reports.flatMap(({ pollMs }) => pollMs),
      };
    },
    async kill() {
      for (const one of groups) await one.kill();
    },
  };
}
