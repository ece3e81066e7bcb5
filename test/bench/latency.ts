import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { packageRoot } from '../support/sample.ts';
import type { Sidecar } from '../support/sidecar.ts';
import type { Site, SiteNode } from '../support/site.ts';
import { until } from '../support/until.ts';
import { median, round, type Figure } from './figures.ts';

const RUNS = 15;
const LIMIT_MS = 100;
const STOP_WATCH = join(packageRoot(), 'dist', 'test', 'fixtures', 'stop-watch.js');

/** From the end of the last session to the application's SIGTERM, with `quiet: 0s`, by `lastcall stop`. */
export async function latency(
  site: Site,
  node: SiteNode,
  sidecar: Sidecar,
  signal: AbortSignal,
): Promise<Figure[]> {
  const waits: number[] = [];
  for (let run = 0; run < RUNS; run++) waits.push(await stopOnce(site, node, sidecar, signal));
  return [
    {
      name: 'from the last session to the stop signal',
      value: median(waits),
      samples: waits,
      unit: 'ms',
      limit: LIMIT_MS,
      how: `median of ${RUNS}, the slowest ${round(Math.max(...waits))} ms`,
    },
  ];
}

async function stopOnce(site: Site, node: SiteNode, sidecar: Sidecar, signal: AbortSignal): Promise<number> {
  const app = await startStopWatch(node);
  try {
    await succeed(sidecar, ['ready', '--json'], signal);
    const stopped = succeed(sidecar, ['stop', '--json', '--reason', 'bench'], signal);
    await until(`${node.name} drains`, async () =>
      (await site.statuses()).get(node.name)?.startsWith('DRAIN'),
    );
    // Not always at the same moment between two polls.
    await sleep(300 + Math.random() * 700);
    const measured = once(app, 'message') as Promise<[{ readonly waitedMs: number }]>;
    await fetch(`${node.url}/end`);
    const [{ waitedMs }] = await measured;
    await stopped;
    return waitedMs;
  } finally {
    app.kill('SIGKILL');
  }
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
