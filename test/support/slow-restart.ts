import { join } from 'node:path';
import type { Result } from '../../agent/lifecycle/model/api.ts';
import { createUsers, type Report } from '../fixtures/users.ts';
import { startHaproxy } from './haproxy.ts';
import { createLegacyNode, type LegacyNodeOptions } from './legacy-node.ts';
import { freePort } from './ports.ts';
import { startRecorder } from './recorder.ts';
import { agentOf, patience, statusAt, type Agent } from './rig.ts';
import { startSidecar } from './sidecar.ts';
import { until } from './until.ts';

/** An application that takes its time to start, restarted from outside while its node drains; then `ready`. */

export interface SlowRestart {
  /** Where the drain is when the application is killed. */
  readonly from: 'draining' | 'drained';
  /** The application is killed and started again, and `ready` is asked: one right after the other, or both at once. */
  readonly order: 'restart first' | 'at once' | 'ready first';
}

export const ROUNDS: readonly SlowRestart[] = (['draining', 'drained'] as const).flatMap((from) =>
  (['restart first', 'at once', 'ready first'] as const).map((order) => ({ from, order })),
);

/** Its sites: HAProxy checks the application itself, or not; its port is closed until it is warm, or answers 503. */
export const SITES: readonly SlowSiteOptions[] = [
  { check: '', meanwhile: 'closed', canStart: false },
  { check: '', meanwhile: '503', canStart: true },
  { check: 'check inter 2s', meanwhile: 'closed', canStart: true },
  { check: 'check inter 2s', meanwhile: '503', canStart: false },
];

/** Plays the rounds at one site. @returns which promises were broken, a line each */
export async function playRounds(
  options: SlowSiteOptions,
  rounds: readonly SlowRestart[],
): Promise<string[]> {
  const site = await openSlowSite(options);
  const broken: string[] = [];
  try {
    for (const round of rounds) broken.push(...(await site.play(round)));
  } finally {
    await site.close();
  }
  return broken;
}

interface SlowSite {
  /** @returns which promises were broken, a line each */
  play(round: SlowRestart): Promise<string[]>;
  close(): Promise<void>;
}

export interface SlowSiteOptions {
  /** Further words of app1's line at HAProxy: its own check, or none. */
  readonly check: '' | 'check inter 2s';
  /** What is to be had at its port while the application starts. */
  readonly meanwhile: 'closed' | '503';
  /** `ready` may start the application itself. */
  readonly canStart: boolean;
}

/** Good probes in a row before READY: enough of them that a restart shows against a probe of before it. */
const RISE = 4;
const WARM_MS = 2_000;

/** Two nodes behind a HAProxy, one of them with a sidecar; users come all the time, and none stays for long. */
async function openSlowSite({ check, meanwhile, canStart }: SlowSiteOptions): Promise<SlowSite> {
  const [port, appPort, otherPort] = [await freePort(), await freePort(), await freePort()];
  const haproxy = await startHaproxy(
    'defaults\n  mode http\n  timeout connect 1s\n  timeout client 30s\n  timeout server 30s\n' +
      `frontend web\n  bind 127.0.0.1:${port}\n  default_backend app\n` +
      'backend app\n  balance roundrobin\n  cookie SRV insert indirect nocache\n' +
      `  server app1 127.0.0.1:${appPort} cookie app1 ${check}\n  server app2 127.0.0.1:${otherPort} cookie app2\n`,
  );
  const { dir } = haproxy;
  const node = (
    options: Pick<LegacyNodeOptions, 'name' | 'port' | 'warmMs'>,
  ): ReturnType<typeof createLegacyNode> =>
    createLegacyNode({ ...options, dir, warmOpen: meanwhile === '503', logsHealth: true });
  const app1 = node({ name: 'app1', port: appPort, warmMs: WARM_MS });
  const app2 = node({ name: 'app2', port: otherPort, warmMs: 0 });
  const recorder = await startRecorder(haproxy.socket, join(dir, 'rec.sock'), () => String(Date.now()));
  const users = createUsers({ url: `http://127.0.0.1:${port}`, population: 6, thinkMs: 40, stayMs: 250 });
  let agent: Agent | null = null;
  const close = async (): Promise<void> => {
    await users.stop();
    await agent?.kill();
    await recorder.close();
    for (const one of [app1, app2]) await one.kill();
    await haproxy.stop();
  };
  const app = {
    probe: { http: { url: `${app1.url}/health` }, every: '500ms', timeout: '1s', rise: RISE, fall: 3 },
    ...(canStart ? { start: { command: app1.startCommand } } : {}),
    // By its pid file it is known whether a process of it runs.
    stop: { signal: { name: 'SIGTERM', pidFile: app1.pidFile, killAfter: '5s' } },
  };
  try {
    for (const one of [app1, app2]) await one.start();
    for (const one of [app1, app2]) await one.untilServing(patience());
    const place = { dir, haproxy: { socket: recorder.socket } };
    const beside = { ...app1, agentPort: await freePort() };
    agent = agentOf(await startSidecar(place, beside, patience(), { timeout: '60s', sections: { app } }));
    await agent.reaches('serving');
    await users.start();
  } catch (error) {
    await close();
    throw error;
  }
  const sidecar = agent;
  const saysReady = (since: number): number | null => {
    const said = recorder.exchanges.find(
      ({ by, line, note }) => by === 'sidecar' && line.includes('state ready') && Number(note) >= since,
    );
    return said ? Number(said.note) : null;
  };

  async function play({ from, order }: SlowRestart): Promise<string[]> {
    const before = users.report();
    const starts = await app1.started();
    await begin(from);
    const back = sidecar.reaches('warming', 'returning');
    const restart = async (): Promise<void> => {
      await app1.kill();
      await app1.start();
    };
    const asked = Date.now();
    const result = await inOrder(order, restart, () => ask(sidecar, 'ready'));
    const { since } = await back;
    const readyAt = saysReady(asked);
    // A user who comes now is served by it.
    await until('a user of app1', () => (users.report().nodes['app1']?.users ?? 0) > 0);
    const good = (await app1.goodHealth()).filter((at) => at >= Date.parse(since) && at <= (readyAt ?? 0));
    return [
      ...(result.code === 'done' && result.phase === 'serving' ? [] : [`ready: ${JSON.stringify(result)}`]),
      ...(readyAt !== null && good.length < RISE ? [`READY after ${good.length} good probes`] : []),
      // Where `ready` finds no process, its start and the other hand's may come together.
      ...(order !== 'restart first' || (await app1.started()) === starts + 1
        ? []
        : ['it was started beside itself']),
      ...brokenIn(before, users.report()),
    ].map((text) => `${from}, ${order}: ${text}`);
  }

  /** The node drains, held by a session that never passes HAProxy, and no user is bound to it any more. */
  async function begin(from: SlowRestart['from']): Promise<void> {
    const first = await fetch(app1.url);
    const cookie = first.headers.get('set-cookie')?.split(';')[0] ?? '';
    await first.text();
    await sidecar.client.submit({ operation: 'drain' }, patience());
    await sidecar.reaches('draining');
    await until('DRAIN', async () => (await statusAt(haproxy)).startsWith('DRAIN'));
    await until('app1 without users', () => (users.report().nodes['app1']?.users ?? 0) === 0);
    if (from === 'draining') return;
    await (await fetch(`${app1.url}/logout`, { headers: { cookie } })).text();
    await sidecar.reaches('drained');
  }

  return { play, close };
}

async function inOrder(
  order: SlowRestart['order'],
  restart: () => Promise<void>,
  ready: () => Promise<Result>,
): Promise<Result> {
  if (order === 'restart first') await restart();
  const asked = ready();
  if (order === 'at once') await restart();
  if (order === 'ready first') await restart();
  return asked;
}

async function ask(agent: Agent, operation: 'ready'): Promise<Result> {
  const submitted = await agent.client.submit({ operation, timeout: '40s' }, patience());
  return submitted.accepted ? agent.ends(submitted.id) : submitted.result;
}

function brokenIn(before: Report, after: Report): string[] {
  const failed = after.failed - before.failed;
  const lost = after.lost - before.lost;
  return [
    ...(failed > 0 ? [`${failed} requests failed: ${after.failures.slice(-failed).join('; ')}`] : []),
    ...(lost > 0 ? [`${lost} sessions lost`] : []),
  ];
}
