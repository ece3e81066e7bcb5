import { afterEach, describe, expect, test } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { createHealthServer, type HealthServer } from '../../../agent/balancers/health-port/server.ts';
import type { NodeState } from '../../../agent/balancers/health-port/answer.ts';
import { createHealthBalancer } from '../../../agent/balancers/health-port/poll-only.ts';
import type { HealthListenConfig } from '../../../agent/config/config.ts';
import { HEALTH_ANSWERS } from '../../../agent/config/defaults.ts';
import type { Admin } from '../../../agent/lifecycle/model/observation.ts';
import { realClock } from '../../../agent/system/clock.ts';
import { configOf, load } from '../../config/support.ts';
import { memoryLog } from '../../support/memory-log.ts';
import { f5Monitor, twoStateMonitor, type Monitor, type MonitorVerdict } from '../../support/monitors.ts';
import { never } from '../../support/outcome.ts';
import { freePort } from '../../support/ports.ts';

type Answers = HealthListenConfig['answers'];

/** The text that operators copy: the monitors here are set up as on the page, and lastcall too. */
const PAGE = readFileSync(new URL('../../../deploy/monitors.md', import.meta.url), 'utf8');

const examples = (language: string): string[] =>
  Array.from(
    PAGE.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, 'gms')),
    ([, text]) => text ?? '',
  );

/** The value behind a word in an example. */
function setting(language: string, pattern: RegExp): string {
  const value = examples(language)
    .map((text) => pattern.exec(text)?.[1])
    .find((found) => found !== undefined);
  if (value === undefined) throw new Error(`deploy/monitors.md has no ${pattern.source}`);
  return value;
}

async function pagesAnswers(): Promise<Answers> {
  const { listen } = await configOf(examples('yaml')[0] ?? '');
  return listen.health?.answers ?? HEALTH_ANSWERS;
}

const BIG_IP = {
  send: JSON.parse(setting('tmsh', /^ *send (".*")$/m)) as string,
  recv: setting('tmsh', /^ *recv "(.*)"$/m),
  recvDisable: setting('tmsh', /^ *recv-disable "(.*)"$/m),
  interval: Number(setting('tmsh', /^ *interval (\d+)$/m)),
  timeout: Number(setting('tmsh', /^ *timeout (\d+)$/m)),
};
const NGINX = {
  status: Number(setting('nginx', /^ *status (\d+);$/m)),
  fails: Number(setting('nginx', /\bfails=(\d+)/)),
  passes: Number(setting('nginx', /\bpasses=(\d+)/)),
};

const servers: HealthServer[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close();
});

/** A node with its health port; its state is set by the test, its answers are the product's. */
interface Node {
  readonly port: number;
  is(phase: NodeState['phase'], health?: NodeState['health']): void;
  /** A word to the balancer, while its monitor checks as often as lastcall waits for. */
  tells(admin: Admin, monitor: Monitor): Promise<MonitorVerdict[]>;
  close(): Promise<void>;
}

async function startNode(answers: Answers, port = 0): Promise<Node> {
  let node: NodeState = { phase: 'serving', health: 'up', balancers: [] };
  const ports = { clock: realClock, log: memoryLog(), node: () => node };
  const server = createHealthServer({ host: '127.0.0.1', port, allow: [], answers }, ports);
  servers.push(server);
  const balancer = createHealthBalancer(
    { kind: 'health', from: ['127.0.0.1'], fall: 2, rise: 2 },
    { ...ports, server },
  );
  return {
    port: await server.listen(),
    is(phase, health = node.health) {
      node = { ...node, phase, health };
    },
    async tells(admin, monitor) {
      const told = balancer.set(balancer.name, admin, ['ready', 'drain', 'maint'], never);
      const verdicts = [await monitor(), await monitor()];
      await told;
      return verdicts;
    },
    close: () => server.close(),
  };
}

/** One whole round: what the monitor makes of the node in each part of it. */
async function round(node: Node, monitor: Monitor): Promise<Record<string, MonitorVerdict[]>> {
  const serving = [await monitor(), await monitor()];
  node.is('draining');
  const draining = await node.tells('drain', monitor);
  // Whatever the application's health: it may have users, and a monitor that gets DOWN moves them.
  node.is('draining', 'down');
  const drainingUnhealthy = [await monitor(), await monitor(), await monitor()];
  node.is('fencing', 'up');
  const beforeFence = [await monitor()];
  const fencing = await node.tells('maint', monitor);
  node.is('drained');
  const drained = [await monitor()];
  node.is('returning');
  const returning = await node.tells('ready', monitor);
  return { serving, draining, drainingUnhealthy, beforeFence, fencing, drained, returning };
}

describe('A BIG-IP, set up as deploy/monitors.md says', () => {
  test.each([
    ['with the answers of the page', pagesAnswers],
    ['with the default answers: it does not care for the status', () => Promise.resolve(HEALTH_ANSWERS)],
  ])('is up, disabled, down and up again, and never down while users remain (%s)', async (_how, answers) => {
    const node = await startNode(await answers());
    expect(await round(node, f5Monitor(node.port, BIG_IP))).toEqual({
      serving: ['up', 'up'],
      draining: ['disabled', 'disabled'],
      drainingUnhealthy: ['disabled', 'disabled', 'disabled'],
      beforeFence: ['disabled'],
      // Down at the moment at which lastcall takes the node for fenced, and not an interval later.
      fencing: ['disabled', 'down'],
      drained: ['down'],
      returning: ['up', 'up'],
    });
  });

  test('stays disabled over a restart of the sidecar that is back by the next check', async () => {
    const answers = await pagesAnswers();
    const port = await freePort();
    const first = await startNode(answers, port);
    const bigIp = f5Monitor(port, BIG_IP);
    expect([await bigIp(), await bigIp()]).toEqual(['up', 'up']);
    first.is('draining');
    await first.tells('drain', bigIp);
    await first.close();
    expect(await bigIp()).toBe('disabled');
    const second = await startNode(answers, port);
    second.is('draining');
    expect(await second.tells('drain', bigIp)).toEqual(['disabled', 'disabled']);
    await second.close();
    expect([await bigIp(), await bigIp()]).toEqual(['disabled', 'down']);
  });

  test.each([
    ['UP', 200, 'in service: UPDATING'],
    ['UP', 200, 'draining, call support'],
    ['200', 200, 'DRAIN'],
    ['UP', 426, 'DRAIN'], // "426 Upgrade Required"
  ])(
    'whose Receive String %s is found in %i %s as well goes on sending new users',
    async (recv, status, body) => {
      const node = await startNode({ ...HEALTH_ANSWERS, drain: { status, body } });
      const bigIp = f5Monitor(node.port, { ...BIG_IP, recv, recvDisable: body });
      await bigIp();
      node.is('draining');
      expect(await node.tells('drain', bigIp)).toEqual(['up', 'up']);
    },
  );

  test('cannot mistake one default word for another', () => {
    const words = Object.values(HEALTH_ANSWERS).map(({ body }) => body.toLowerCase());
    for (const word of words) expect(words.filter((other) => other.includes(word))).toEqual([word]);
  });
});

describe('A monitor that knows only healthy and not', () => {
  test.each([
    ['by the status alone, as the page says', {}],
    ['by a body that accepts both words', { body: /UP|DRAIN/ }],
  ])('keeps the node until the last user is gone, and leaves it then (%s)', async (_how, more) => {
    const node = await startNode(await pagesAnswers());
    expect(await round(node, twoStateMonitor(node.port, { ...NGINX, ...more }))).toEqual({
      serving: ['up', 'up'],
      draining: ['up', 'up'],
      drainingUnhealthy: ['up', 'up', 'up'],
      beforeFence: ['up'],
      fencing: ['up', 'down'],
      drained: ['down'],
      returning: ['down', 'up'],
    });
  });

  test.each([
    ['with the default 404', () => Promise.resolve(HEALTH_ANSWERS), {}],
    ['when it looks for UP', pagesAnswers, { body: /UP/ }],
  ])('throws the users out at the beginning of a drain %s', async (_how, answers, more) => {
    const node = await startNode(await answers());
    const monitor = twoStateMonitor(node.port, { ...NGINX, ...more });
    expect([await monitor(), await monitor()]).toEqual(['up', 'up']);
    node.is('draining');
    expect(await node.tells('drain', monitor)).toEqual(['up', 'down']);
  });

  test('and is not in `from` gets UP until the node is fenced, whatever the others get', async () => {
    const node = await startNode(HEALTH_ANSWERS);
    const stranger = twoStateMonitor(node.port, { ...NGINX, from: '127.0.0.2' });
    const bigIp = f5Monitor(node.port, BIG_IP);
    expect([await bigIp(), await stranger()]).toEqual(['up', 'up']);
    node.is('draining', 'down');
    expect(await node.tells('drain', bigIp)).toEqual(['disabled', 'disabled']);
    expect([await stranger(), await stranger(), await stranger()]).toEqual(['up', 'up', 'up']);
    node.is('drained', 'up');
    expect([await stranger(), await stranger()]).toEqual(['up', 'down']);
  });
});

describe('deploy/monitors.md', () => {
  test('has configurations that are right as they stand, and warn of nothing', async () => {
    const files = examples('yaml');
    expect(files).not.toEqual([]);
    for (const file of files) expect(await load(file)).toMatchObject({ ok: true, warnings: [] });
  });
});
