import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { get, type IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ask } from '../support/haproxy.ts';
import { packageRoot } from '../support/sample.ts';
import type { Sidecar } from '../support/sidecar.ts';
import type { Site, SiteNode } from '../support/site.ts';
import { until } from '../support/until.ts';
import { median, round, type Figure, type Row } from './figures.ts';
import { ANSIBLE, missingOf, playbook, runCommand } from './peers/peers.ts';

const RUNS = 15;
const LIMIT_MS = 100;
/** So many times sooner than Ansible has lastcall to be. */
const TIMES_SOONER = 30;
/** Ansible takes some eight seconds for each. */
const ANSIBLE_RUNS = 5;
/** Ansible asks every five seconds unless it is given a `wait_interval`. */
const ANSIBLE_INTERVAL_MS = 5000;
const STOP_WATCH = join(packageRoot(), 'dist', 'test', 'fixtures', 'stop-watch.js');

/** The nodes that are stopped again and again, and what has to be known of them. */
export interface StoppedNodes {
  readonly site: Site;
  /** Stopped by `lastcall stop` of this sidecar, with `quiet: 0s`. */
  readonly ours: SiteNode;
  readonly sidecar: Sidecar;
  /** Stopped by Ansible. */
  readonly theirs: SiteNode;
}

/** From the end of the last session to the application's SIGTERM: by lastcall, and in turns with it by Ansible. */
export async function latency(nodes: StoppedNodes, signal: AbortSignal): Promise<Row[]> {
  const missing = missingOf(ANSIBLE);
  const [waits, ansible]: [number[], number[]] = [[], []];
  for (let run = 0; run < RUNS; run++) {
    waits.push(await stopOnce(nodes, share(run, RUNS), signal));
    if (missing === null && run < ANSIBLE_RUNS)
      ansible.push(await stopByAnsible(nodes, share(run, ANSIBLE_RUNS), signal));
  }
  // By default zero has to hold for a second more.
  const name = 'from the last session to the stop signal, `quiet: 0s`';
  const slowest = round(Math.max(...waits));
  const row: Figure = {
    name,
    value: median(waits),
    unit: 'ms',
    limit: LIMIT_MS,
    samples: waits,
    how: `median of ${RUNS}, the slowest ${slowest} ms`,
  };
  const beside = `${name}, beside Ansible`;
  if (missing !== null) return [row, { name: beside, missing }];
  const how = `medians of ${RUNS} and of ${ANSIBLE_RUNS}, in turns`;
  const peer = {
    name: `Ansible, which asks every ${ANSIBLE_INTERVAL_MS / 1000} s`,
    value: median(ansible),
    samples: ansible,
  };
  return [row, { ...row, kind: 'ratio', name: beside, limit: 1 / TIMES_SOONER, peer, how }];
}

/** Where in the time from one question to the next a session ends: in each run elsewhere, and all of that time is met. */
function share(run: number, runs: number): number {
  return (run + 0.5) / runs;
}

async function stopOnce(
  { site, ours, sidecar }: StoppedNodes,
  at: number,
  signal: AbortSignal,
): Promise<number> {
  const app = await startStopWatch(ours);
  try {
    await succeed(sidecar, ['ready', '--json'], signal);
    const stop = (): Promise<void> => succeed(sidecar, ['stop', '--json', '--reason', 'bench'], signal);
    return await waitedFor(site, ours, app, stop, 700 * at);
  } finally {
    app.kill('SIGKILL');
  }
}

async function stopByAnsible(
  { site, theirs }: StoppedNodes,
  at: number,
  signal: AbortSignal,
): Promise<number> {
  const app = await startStopWatch(theirs);
  const { socket } = site.haproxy;
  try {
    await ask(socket, `set server app/${theirs.name} state ready`);
    await until(`${theirs.name} is UP`, async () => (await site.statuses()).get(theirs.name) === 'UP');
    const stop = (): Promise<void> => runCommand(playbook(theirs, socket, ['--tags', 'stop']), {}, signal);
    return await waitedFor(site, theirs, app, stop, ANSIBLE_INTERVAL_MS * at);
  } finally {
    app.kill('SIGKILL');
  }
}

/** Begins a stop, ends the last session so long after, and returns how long the application then waited for its SIGTERM, in ms. */
async function waitedFor(
  site: Site,
  node: SiteNode,
  app: ChildProcess,
  stop: () => Promise<void>,
  afterMs: number,
): Promise<number> {
  const session = get(`${site.url}/stay`, { headers: { cookie: `SRV=${node.name}` } });
  const [answer] = (await once(session, 'response')) as [IncomingMessage];
  answer.resume();
  const stopped = stop();
  await Promise.race([
    stopped,
    until(`${node.name} drains`, async () => (await site.statuses()).get(node.name)?.startsWith('DRAIN')),
  ]);
  await sleep(300 + afterMs);
  const measured = once(app, 'message') as Promise<[{ readonly waitedMs: number }]>;
  await fetch(`${node.url}/end`);
  const [{ waitedMs }] = await measured;
  await stopped;
  return waitedMs;
}

/** The application that measures, in the node's place: its port, its pid file. */
async function startStopWatch(node: SiteNode): Promise<ChildProcess> {
  const app = fork(STOP_WATCH, [String(node.port)]);
  await once(app, 'message');
  await writeFile(node.pidFile, `${app.pid}\n`);
  return app;
}

async function succeed(sidecar: Sidecar, words: readonly string[], signal: AbortSignal): Promise<void> {
  const { code, stderr, stdout } = await sidecar.lastcall(words, signal);
  if (code !== 0)
    throw new Error(`lastcall ${words.join(' ')} ended with ${String(code)}: ${stderr}${stdout}`);
}
