import { ask } from '../support/haproxy.ts';
import { startSidecar } from '../support/sidecar.ts';
import type { Site, SiteNode } from '../support/site.ts';
import { agentCheck } from './agent-check.ts';
import { atRest } from './at-rest.ts';
import { eta } from './eta.ts';
import type { Row } from './figures.ts';
import { flood, refusedStart } from './flood.ts';
import { latency } from './latency.ts';
import { poll } from './poll.ts';
import { FULL_RATE_RUNS, fullRate } from './rolling/full-rate.ts';
import { rolling } from './rolling/rolling.ts';
import { scale } from './scale/scale.ts';
import { startTime, timeToDrain } from './start-time.ts';
import { stickTable } from './table/stick-table.ts';
import { tableDrain } from './table/table-drain.ts';
import { warmUp } from './warm-up.ts';

/** What a part of the benchmark works with. */
export interface Bench {
  /** Aborted by an interrupt, and when the part's limit is over. */
  readonly signal: AbortSignal;
  /** How often the whole of a long comparison is played (`--runs`). */
  readonly runs: number;
  /** Three nodes behind a HAProxy, opened when the first part asks and closed at the end. */
  readonly site: () => Promise<Site>;
}

export interface Part {
  /** Measures, and returns a row for each figure. Throws where nothing could be measured at all. */
  readonly play: (bench: Bench) => Row[] | Promise<Row[]>;
  /** The longest that it may take: some three times what a quiet machine of two cores needs, in milliseconds. */
  readonly limitMs: (runs: number) => number;
}

/** In the order in which they run; `--only NAME` runs one. */
export const PARTS: Readonly<Record<string, Part>> = {
  eta: within(1, eta),
  resting: within(5, resting),
  poll: within(2, poll),
  stickTable: within(6, stickTable),
  stopping: within(5, stopping),
  tableDrain: within(12, async ({ site, signal }) => tableDrain(await site(), signal)),
  agentCheck: within(2, async ({ site }) => agentCheck(await site())),
  flood: within(2, async ({ site }) => flood(await site())),
  refusedStart: within(2, async ({ site }) => refusedStart(await site())),
  scale: within(8, scale),
  warmUp: within(5, warmUp),
  rolling: { play: rolling, limitMs: (runs) => minutes(3 + 4 * runs) },
  fullRate: { play: fullRate, limitMs: (runs) => minutes(1 + Math.min(runs, FULL_RATE_RUNS)) },
};

function within(limit: number, play: Part['play']): Part {
  return { play, limitMs: () => minutes(limit) };
}

function minutes(count: number): number {
  return count * 60_000;
}

/** What a sidecar costs that has nothing to do, with the defaults. */
async function resting({ site, signal }: Bench): Promise<Row[]> {
  const where = await site();
  const node = nodeOf(where, 1);
  const sidecar = await startSidecar(where, node, signal, { probeEvery: '2s' });
  try {
    return [
      ...(await startTime(where, node, sidecar)),
      ...(await timeToDrain(where, node)),
      ...(await atRest(sidecar, signal)),
    ];
  } finally {
    await sidecar.stop();
  }
}

/** The applications of two nodes make room for ones that measure, stopped and brought back again and again. */
async function stopping({ site: open, signal }: Bench): Promise<Row[]> {
  const site = await open();
  const [ours, theirs] = [nodeOf(site, 0), nodeOf(site, 2)];
  for (const node of [ours, theirs]) await node.kill();
  const sidecar = await startSidecar(site, ours, signal, { quiet: '0s', start: false });
  try {
    return await latency({ site, ours, sidecar, theirs }, signal);
  } finally {
    await sidecar.stop();
    await theirs.start();
    await theirs.untilServing(signal);
    await ask(site.haproxy.socket, `set server app/${theirs.name} state ready`);
  }
}

function nodeOf(site: Site, index: number): SiteNode {
  const node = site.nodes[index];
  if (node === undefined) throw new Error(`the site has no node ${index}`);
  return node;
}
