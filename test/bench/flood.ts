import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { LASTCALL } from '../support/cli.ts';
import { freePort } from '../support/ports.ts';
import { packageRoot } from '../support/sample.ts';
import { startSidecar, sidecarConfig } from '../support/sidecar.ts';
import type { Site, SiteNode } from '../support/site.ts';
import { median, percentile, round, type Figure } from './figures.ts';

const POLLS = 300;
const POLL_EVERY_MS = 20;
/** Requests that each connection of a flood sends in one go. */
const PIPELINED = 5_000;
const STARTS = 5;
const FLOODS = join(packageRoot(), 'dist', 'test', 'fixtures', 'floods.js');

/** How late an agent-check is answered while others send whole segments of requests, and how long a refused start takes. */
export async function flood(site: Site): Promise<Figure[]> {
  const node = site.nodes[2];
  if (node === undefined) throw new Error('the site has no third node');
  const [health, metrics] = [await freePort(), await freePort()];
  const listen = {
    agentCheck: { address: `127.0.0.1:${node.agentPort}` },
    health: `127.0.0.1:${health}`,
    metrics: `127.0.0.1:${metrics}`,
    control: join(site.dir, `${node.name}.sock`),
  };
  const sections = { listen };
  const sidecar = await startSidecar(site, node, AbortSignal.timeout(60_000), { sections });
  try {
    const answers = await pollsDuring([`${health} /`, `${metrics} /metrics`], node.agentPort);
    return [
      {
        name: 'agent-check under pipelined requests, p99',
        value: percentile(answers, 0.99),
        unit: 'ms',
        samples: answers,
        limit: 200,
        how: `${POLLS} polls, median ${round(median(answers))} ms; 16 connections send ${PIPELINED} requests, over and over`,
      },
    ];
  } finally {
    await sidecar.stop();
  }
}

/** From the spawn to the end of a `lastcall run` whose port is busy. */
export async function refusedStart(site: Site): Promise<Figure[]> {
  const node = site.nodes[2];
  if (node === undefined) throw new Error('the site has no third node');
  // HAProxy asks there, too.
  const server = createServer((socket) => socket.on('error', () => undefined).destroy());
  server.listen(node.agentPort, '127.0.0.1');
  await once(server, 'listening');
  try {
    const times: number[] = [];
    for (let run = 0; run < STARTS; run += 1) times.push(await refused(site, node));
    const how = `median of ${STARTS}, ended with 75`;
    return [
      {
        name: 'lastcall run, a port is busy',
        value: median(times),
        samples: times,
        unit: 'ms',
        limit: 2_000,
        how,
      },
    ];
  } finally {
    server.close();
  }
}

async function refused(site: Site, node: SiteNode): Promise<number> {
  const file = join(site.dir, 'refused.yaml');
  await writeFile(file, JSON.stringify(sidecarConfig(site, node)));
  const began = performance.now();
  const child = spawn(process.execPath, [LASTCALL, 'run', '-c', file], { stdio: 'ignore' });
  const [code] = (await once(child, 'exit')) as [number | null];
  if (code !== 75) throw new Error(`lastcall run ended with ${String(code)}`);
  return performance.now() - began;
}

async function pollsDuring(targets: readonly string[], agentPort: number): Promise<number[]> {
  const words = targets.flatMap((target) => [...target.split(' '), String(PIPELINED)]);
  // In a process of its own, which does not keep this one from measuring.
  const flooding = spawn(process.execPath, [FLOODS, ...words], { stdio: 'inherit' });
  const ended = once(flooding, 'exit');
  const answers: number[] = [];
  try {
    for (let poll = 0; poll < POLLS; poll += 1) {
      const began = performance.now();
      await answered(agentPort);
      answers.push(performance.now() - began);
      await new Promise((done) => setTimeout(done, POLL_EVERY_MS));
    }
    if (flooding.exitCode !== null) throw new Error('the flood had ended before the last poll');
  } finally {
    flooding.kill('SIGKILL');
    await ended;
  }
  return answers;
}

/** @throws Error without a whole line, which may be empty: a connection that is hung up in time is no answer */
async function answered(port: number): Promise<void> {
  const line = await text(connect(port, '127.0.0.1'));
  if (!/^.*\n$/.test(line)) throw new Error(`agent-check answers ${JSON.stringify(line)}`);
}
