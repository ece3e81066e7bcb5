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
import { fullRate } from './rolling/full-rate.ts';
import { rolling } from './rolling/rolling.ts';
import { scale } from './scale/scale.ts';
import { startTime, timeToDrain } from './start-time.ts';
import { stickTable } from './table/stick-table.ts';
import { tableDrain } from './table/table-drain.ts';
import { warmUp } from './warm-up.ts';

/** What a part of the benchmark works with. */
export interface Bench {
  /** Aborted by an interrupt. */
  readonly signal: AbortSignal;
  /** How often the whole of a long comparison is played (`--runs`). */
  readonly runs: number;
  /** Three nodes behind a HAProxy, opened when the first part asks and closed at the end. */
  readonly site: () => Promise<Site>;
}

/** Measures, and returns a row for each figure. Throws where nothing could be measured at all. */
export type Part = (bench: Bench) => Row[] | Promise<Row[]>;

/** In the order in which they run; `--only NAME` runs one. */
export const PARTS: Readonly<Record<string, Part>> = {
  eta,
  resting,
  poll,
  stickTable,
  stopping,
  tableDrain: async ({ site, signal }) => tableDrain(await site(), signal),
  agentCheck: async ({ site }) => agentCheck(await site()),
  flood: async ({ site }) => flood(await site()),
  refusedStart: async ({ site }) => refusedStart(await site()),
  scale,
  warmUp,
  rolling,
  fullRate,
};

/** What a sidecar costs that has nothing to do, with the defaults. */
async function resting({ site, signal }: Bench): Promise<Row[]> {
  const where = await site();
  const node = nodeOf(where, 1);
  const sidecar = await startSidecar(where, node, signal, { probeEvery: '2s' });
  try {
    return [
      ...(await startTime(where, node, sidecar)),
      ...(await timeToDrain(where, node)),
      ...(await atRest(sidecar)),
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
