import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { startSidecar } from '../support/sidecar.ts';
import { openSite, type Site } from '../support/site.ts';
import { atRest } from './at-rest.ts';
import { passes, renderFigures, type Figure } from './figures.ts';
import { eta } from './eta.ts';
import { flood, refusedStart } from './flood.ts';
import { latency } from './latency.ts';
import { poll } from './poll.ts';
import { scale } from './scale/scale.ts';
import { startTime, timeToDrain } from './start-time.ts';
import { stickTable } from './stick-table.ts';
import { warmUp } from './warm-up.ts';

/*
 * npm run bench [-- --json FILE --only PART]: speed and size of the built lastcall beside a real HAProxy, each against
 * its limit. Exit code 1 when a limit is broken. On a busy machine the figures say little.
 */

const { values } = parseArgs({ options: { json: { type: 'string' }, only: { type: 'string' } } });
const parts: Readonly<Record<string, (where: Site) => Figure[] | Promise<Figure[]>>> = {
  eta,
  resting,
  poll,
  stickTable,
  stopping,
  flood,
  refusedStart,
  scale,
  warmUp,
};
const chosen = values.only === undefined ? Object.keys(parts) : [values.only];
if (!chosen.every((name) => name in parts))
  throw new Error(`--only: one of ${Object.keys(parts).join(', ')}`);
const stop = new AbortController();
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.once(name, () => stop.abort(new Error(`interrupted by ${name}`)));
}
const figures: Figure[] = [];
const site = await openSite({}, stop.signal);
try {
  for (const name of chosen) {
    stop.signal.throwIfAborted();
    const more = (await parts[name]?.(site)) ?? [];
    process.stdout.write(`${renderFigures(more).join('\n')}\n`);
    figures.push(...more);
  }
} finally {
  await site.close();
}
if (!figures.every(passes)) process.exitCode = 1;
if (values.json !== undefined) await writeFile(values.json, `${JSON.stringify(figures, null, 2)}\n`);

/** What a sidecar costs that has nothing to do, with the defaults. */
async function resting(where: Site): Promise<Figure[]> {
  const node = where.nodes[1];
  if (node === undefined) throw new Error('the site has no second node');
  const sidecar = await startSidecar(where, node, stop.signal, { probeEvery: '2s' });
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

/** The first node's application makes room for one that measures, stopped and brought back again and again. */
async function stopping(where: Site): Promise<Figure[]> {
  const node = where.nodes[0];
  if (node === undefined) throw new Error('the site has no first node');
  await node.kill();
  const sidecar = await startSidecar(where, node, stop.signal, { quiet: '0s', start: false });
  try {
    return await latency(where, node, sidecar, stop.signal);
  } finally {
    await sidecar.stop();
  }
}
