import { afterEach } from '@jest/globals';
import { createAgentCheckServer } from '../../agent/balancers/agent-check/server.ts';
import { createAgentCheckWriter } from '../../agent/balancers/agent-check/runtime-writer.ts';
import type { Balancer } from '../../agent/balancers/balancer.ts';
import { createRuntimeBalancer } from '../../agent/balancers/runtime-api/driver.ts';
import { realClock, type Clock } from '../../agent/system/clock.ts';
import { startHaproxy, type Haproxy, type HaproxyOptions } from './haproxy.ts';
import { memoryLog } from './memory-log.ts';
import { freePort } from './ports.ts';
import { until } from './until.ts';

/** A real HAProxy that polls the agent-check, and is read with level operator. */

export const never = new AbortController().signal;

export const endings: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const end of endings.splice(0).toReversed()) await end();
});

export interface PolledStage {
  readonly haproxy: Haproxy;
  readonly balancer: Balancer;
  /** Where it polls. */
  readonly agentPort: number;
  /** Resolves once HAProxy has polled so often from now on. */
  polls(count: number): Promise<void>;
  /** The forced bits of a server, by HAProxy itself. */
  admin(server?: string): Promise<string>;
}

interface Given extends HaproxyOptions {
  /** The rest of each server line, by name; `agent-check agent-inter 200ms` and the port are there. */
  readonly servers?: Readonly<Record<string, string>>;
  readonly clock?: Clock;
  readonly agent?: string;
  /** How the backend balances; default roundrobin. */
  readonly balance?: string;
  /** Its `agent-inter`; default 200ms. */
  readonly interval?: string;
  /** What the writer reads by. */
  readonly readBy?: (reader: Balancer) => Balancer;
}

/** A real HAProxy that polls a real responder, and the driver that writes by it and reads with level operator. */
export async function stage({
  servers = { app1: '' },
  clock = realClock,
  agent,
  interval = '200ms',
  balance = 'roundrobin',
  readBy = (reader) => reader,
  ...options
}: Given = {}): Promise<PolledStage> {
  let polled = 0;
  const port = await freePort();
  const healthy = (): boolean => polled++ >= 0;
  const server = createAgentCheckServer(
    { host: '127.0.0.1', port, allow: [] },
    { clock: realClock, healthy, log: memoryLog() },
  );
  await server.listen();
  endings.push(() => server.close());
  const check = agent ?? `agent-check agent-inter ${interval} agent-addr 127.0.0.1 agent-port ${port}`;
  const lines = Object.entries(servers).map(
    ([name, rest]) => `  server ${name} 127.0.0.1:9 ${check} ${rest}\n`,
  );
  const config = `defaults\n  mode http\n  timeout connect 1s\n  timeout client 5s\n  timeout server 5s\n  timeout check 5s\nbackend app\n  balance ${balance}\n${lines.join('')}`;
  const haproxy = await startHaproxy(config, options);
  endings.push(() => haproxy.stop());
  const address = `unix:${haproxy.operatorSocket}`;
  const names = Object.keys(servers).map((name) => `app/${name}`);
  const reader = createRuntimeBalancer(
    { address, servers: names, timeoutMs: 2_000, readOnly: true },
    { clock: realClock },
  );
  const balancer = createAgentCheckWriter(
    {
      kind: 'haproxy',
      address,
      writer: 'agent-check',
      master: null,
      tls: null,
      stateFile: null,
      servers: names,
    },
    { reader: readBy(reader), server, clock },
  );
  return {
    haproxy,
    balancer,
    agentPort: port,
    async polls(count) {
      const wanted = polled + count;
      await until(`${count} more polls`, () => polled >= wanted);
    },
    async admin(name = 'app1') {
      const rows = (await haproxy.command('show servers state app'))
        .split('\n')
        .map((line) => line.split(' '));
      return (
        { '0': 'ready', '1': 'maint', '8': 'drain' }[rows.find((row) => row[3] === name)?.[6] ?? ''] ??
        'other'
      );
    },
  };
}

export const adminOf = async ({ balancer }: PolledStage): Promise<string | undefined> =>
  (await balancer.look(never)).servers[0]?.admin;
