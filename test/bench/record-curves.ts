import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createUsers } from '../fixtures/users.ts';
import { ask } from '../support/haproxy.ts';
import { packageRoot } from '../support/sample.ts';
import { openSite, type Site } from '../support/site.ts';
import { CURVES, type Curve } from './curve-files.ts';

/*
 * node dist/test/bench/record-curves.js: records how the users of a node that is put into DRAIN leave it, for the
 * benchmark of the ETA. Real users, a real HAProxy, a real application whose sessions are counted; about half an hour.
 */

const EVERY_MS = 250;
const THINK_MS = 2_500;
/** What is not over by then is a plateau. */
const LONGEST_MS = 300_000;
const PLATEAU_MS = 60_000;
const CLIFF_AFTER_MS = 30_000;
/** At the three nodes together. */
const POPULATIONS = [45, 60, 90, 180, 240, 300];

interface Kind {
  readonly name: string;
  /** @param drainAt the monotonic time of the DRAIN */
  stay(drainAt: number): number | (() => number);
  readonly longestMs?: number;
}

const exponential = (meanMs: number): number => -Math.log(1 - Math.random()) * meanMs;

const KINDS: readonly Kind[] = [
  // The same chance to leave at any moment.
  { name: 'exponential', stay: () => () => exponential(15_000) },
  // Visits of about the same length: the demo's users.
  { name: 'visits', stay: () => 40_000 },
  // No user leaves until noon, then nearly all do.
  {
    name: 'cliff',
    stay: (drainAt) => () => {
      const left = drainAt + CLIFF_AFTER_MS - performance.now();
      return left > 0 && Math.random() < 0.85 ? left + 4_000 * Math.random() : exponential(20_000);
    },
  },
  // Most are gone soon, a few stay and stay.
  { name: 'tail', stay: () => () => exponential(Math.random() < 0.85 ? 6_000 : 40_000) },
  // No user leaves at all.
  { name: 'plateau', stay: () => () => 600_000, longestMs: PLATEAU_MS },
];

const SETTLE_MS = 8_000;

async function record(kind: Kind, population: number): Promise<void> {
  const site = await openSite({}, new AbortController().signal);
  try {
    const curve = await curveOf(site, kind, population);
    const file = join(packageRoot(), CURVES, `${kind.name}-${curve.counts[0] ?? 0}.json`);
    await writeFile(file, `${JSON.stringify(curve)}\n`);
    process.stdout.write(
      `${file}: ${curve.drained ? 'drained' : 'not over'} after ${curve.counts.length * EVERY_MS} ms\n`,
    );
  } finally {
    await site.close();
  }
}

async function curveOf(site: Site, kind: Kind, population: number): Promise<Curve> {
  const node = site.nodes[0];
  if (node === undefined) throw new Error('the site has no first node');
  const drainAt = performance.now() + SETTLE_MS;
  const users = createUsers({ url: site.url, population, thinkMs: THINK_MS, stayMs: kind.stay(drainAt) });
  await users.start();
  await sleep(Math.max(0, drainAt - performance.now()));
  await ask(site.haproxy.socket, 'set server app/app1 state drain');
  const counts: number[] = [];
  const began = performance.now();
  while (counts.at(-1) !== 0 && performance.now() - began < (kind.longestMs ?? LONGEST_MS)) {
    const count = await node.sessions();
    if (count === null) throw new Error('the node did not tell its sessions');
    counts.push(count);
    await sleep(Math.max(0, began + counts.length * EVERY_MS - performance.now()));
  }
  await users.stop();
  return { kind: kind.name, everyMs: EVERY_MS, drained: counts.at(-1) === 0, counts };
}

for (const population of POPULATIONS) await Promise.all(KINDS.map((kind) => record(kind, population)));
