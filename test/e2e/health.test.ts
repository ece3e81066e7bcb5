import { afterEach, describe, expect, test } from '@jest/globals';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createHealthServer } from '../../agent/balancers/health-port/server.ts';
import { createHealthBalancer } from '../../agent/balancers/health-port/poll-only.ts';
import type { NodeState } from '../../agent/balancers/health-port/answer.ts';
import { realClock } from '../../agent/system/clock.ts';
import { askHttp } from '../support/ask-http.ts';
import { startHaproxy, type Haproxy } from '../support/haproxy.ts';
import { memoryLog } from '../support/memory-log.ts';
import { never } from '../support/outcome.ts';
import { freePort } from '../support/ports.ts';
import { column, openRig, patience, told, type Rig } from '../support/rig.ts';
import { until } from '../support/until.ts';

const open: { close(): Promise<unknown> }[] = [];
afterEach(async () => {
  for (const one of open.splice(0).toReversed()) await one.close();
});

interface Place {
  readonly rig: Rig;
  readonly metricsPort: number;
  readonly status: () => Promise<string>;
  /** What the sidecar's configuration differs in. */
  readonly sections: Readonly<Record<string, unknown>>;
}

/** A HAProxy that lastcall cannot talk to: it asks our health port, and knows a 404 for a sign-out. */
async function place(check: string, fall: number): Promise<Place> {
  const healthPort = await freePort();
  const metricsPort = await freePort();
  const others =
    `  option httpchk\n  http-check disable-on-404\n  timeout check 5s\n${check}` +
    `  server app2 127.0.0.1:${await sibling()} cookie app2\n`;
  const server = `check port ${healthPort} inter 100ms fall ${fall} rise 2`;
  const rig = await openRig({ server, others });
  open.push(rig);
  const sections = {
    balancers: [{ health: { from: ['127.0.0.1/32'], fall } }],
    listen: {
      health: `127.0.0.1:${healthPort}`,
      metrics: `127.0.0.1:${metricsPort}`,
      control: `${rig.dir}/app1.sock`,
    },
  };
  const status = async (): Promise<string> => (await column(rig.haproxy, 'app', 1, 'status')) ?? '';
  return { rig, metricsPort, status, sections };
}

/** The other node, which serves all users. */
async function sibling(): Promise<number> {
  const server: Server = createServer((_request, response) => void response.end('{"node":"app2"}'));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  open.push({
    close: () => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(resolve));
    },
  });
  return (server.address() as AddressInfo).port;
}

/** Where a user without a cookie ends up, `count` times. */
async function newcomers(rig: Rig, count: number): Promise<string[]> {
  const nodes: string[] = [];
  for (let n = 0; n < count; n++) {
    nodes.push(((await (await fetch(rig.url)).json()) as { readonly node: string }).node);
  }
  return [...new Set(nodes)];
}

async function answered(metricsPort: number, answer: string): Promise<number> {
  const { body } = await askHttp(metricsPort, { path: '/metrics' });
  return Number(
    new RegExp(`^lastcall_health_checks_total\\{answer="${answer}"\\} (\\d+)$`, 'm').exec(body)?.[1],
  );
}

describe('A HAProxy that only asks the health port', () => {
  test.each([
    ['with send-state', '  http-check send-state\n'],
    ['without send-state', ''],
  ])(
    'shows NOLB while it drains, serves its sticky users, brings no new ones, and shows DOWN only behind the fence (%s)',
    async (_how, check) => {
      const { rig, metricsPort, status, sections } = await place(check, 3);
      const sidecar = await rig.sidecar({ sections });
      await until('UP at HAProxy', async () => (await status()) === 'UP');
      const visitor = await rig.signIn();
      const draining = told(sidecar.cli('drain'));
      await sidecar.reaches('draining', 'settling');
      await until('NOLB at HAProxy', async () => (await status()) === 'NOLB');

      expect(await visitor.click()).toEqual({ status: 200, node: 'app1', lost: false });
      expect(await newcomers(rig, 6)).toEqual(['app2']);
      expect(await answered(metricsPort, 'down')).toBe(0);
      expect(await visitor.click()).toEqual({ status: 200, node: 'app1', lost: false });

      await visitor.leave();
      expect(await draining).toMatchObject({ code: 0, json: { phase: 'drained', sessions: { last: 0 } } });
      // Drained is true: where HAProxy tells, it has been waited for.
      if (check !== '') expect(await status()).toBe('DOWN');
      // The page of figures is made once a second.
      await until('it has answered down', async () => (await answered(metricsPort, 'down')) > 0);
      await until('DOWN at HAProxy', async () => (await status()) === 'DOWN');

      expect(await told(sidecar.cli('ready'))).toMatchObject({ code: 0, json: { phase: 'serving' } });
      await until('UP at HAProxy', async () => (await status()) === 'UP');
    },
  );

  test('stays in NOLB over a kill -9 of the sidecar and its next start: no new user comes in between', async () => {
    const { rig, metricsPort, status, sections } = await place('', 60);
    const first = await rig.sidecar({ sections });
    await until('UP at HAProxy', async () => (await status()) === 'UP');
    const visitor = await rig.signIn();
    await told(first.cli('drain', '--no-wait'));
    await until('NOLB at HAProxy', async () => (await status()) === 'NOLB');
    await first.kill();
    const second = await rig.sidecar({ sections });
    await second.reaches('draining', 'settling');
    await until('two answers', async () => (await answered(metricsPort, 'drain')) >= 2);
    expect(await answered(metricsPort, 'up')).toBe(0);
    expect(await newcomers(rig, 6)).toEqual(['app2']);
    expect(await visitor.click()).toEqual({ status: 200, node: 'app1', lost: false });
    await visitor.leave();
    await second.reaches('drained');
  });

  test('takes the state from a body as well, where its monitor matches one', async () => {
    let node: NodeState = { phase: 'serving', health: 'up', balancers: [] };
    const server = createHealthServer(
      {
        host: '127.0.0.1',
        port: await freePort(),
        allow: ['127.0.0.1'],
        answers: {
          up: { status: 200, body: 'in service: UP' },
          drain: { status: 200, body: 'in service: DRAIN' },
          down: { status: 200, body: 'in service: DOWN' },
        },
      },
      { clock: realClock, log: memoryLog(), node: () => node },
    );
    const balancer = createHealthBalancer(
      { kind: 'health', from: ['127.0.0.1'], fall: 2, rise: 2 },
      { server, clock: realClock, node: () => node },
    );
    const port = await server.listen();
    open.push(server);
    const haproxy = await monitor(port);
    open.push({ close: () => haproxy.stop() });
    const status = async (): Promise<string> => (await column(haproxy, 'app', 1, 'status')) ?? '';
    await until('UP at HAProxy', async () => (await column(haproxy, 'app', 1, 'check_status')) === 'L7OK');
    await balancer.survey(patience());
    node = { ...node, phase: 'draining' };
    await balancer.set(balancer.name, 'drain', ['ready'], patience());
    await until('DOWN at HAProxy, which has no third state by body', async () => (await status()) === 'DOWN');
    node = { ...node, phase: 'returning' };
    await balancer.set(balancer.name, 'ready', ['drain'], never);
    await until('UP at HAProxy', async () => (await status()) === 'UP');
  });
});

function monitor(port: number): Promise<Haproxy> {
  return startHaproxy(
    `defaults\n  mode http\n  timeout connect 1s\n  timeout client 5s\n  timeout server 5s\n` +
      `backend app\n  option httpchk GET /any/path\n  http-check expect string UP\n` +
      `  server app1 127.0.0.1:1 check port ${port} inter 50ms fall 2 rise 2\n`,
  );
}
