import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../sample.ts';
import { until } from '../until.ts';

/** What a sidecar has in use at rest, and whether it grows. */
export interface Size {
  /** Cycles before it. */
  readonly cycle: number;
  /** Of the heap after a collection, and resident, in KiB. */
  readonly heapKib: number;
  readonly rssKib: number;
  readonly descriptors: number;
  /** Timers that keep Node's loop alive. */
  readonly timers: number;
}
export const MEASURES = ['heapKib', 'rssKib', 'descriptors', 'timers'] as const;
export type Measure = (typeof MEASURES)[number];

/** The first tenth of the samples against the last one, each by its median. */
export interface Growth {
  readonly first: number;
  readonly last: number;
  /** The most that `last` may be. */
  readonly limit: number;
}

/** What is taken for no growth: so much at once (polls come and go, a collection leaves more or less), and for each thousand cycles. */
const MAY_GROW: Readonly<Record<Measure, { readonly once: number; readonly perThousand: number }>> = {
  heapKib: { once: 400, perThousand: 100 },
  rssKib: { once: 24_000, perThousand: 1_000 },
  descriptors: { once: 6, perThousand: 1 },
  timers: { once: 6, perThousand: 1 },
};

/** What the sidecar loads so that it tells its size. */
export const TELLS_SIZE = join(packageRoot(), 'test', 'fixtures', 'tells-size.mjs');

/** @param file the one that LASTCALL_SIZE names for that process */
export async function sizeOf(pid: number, file: string, cycle: number): Promise<Size> {
  rmSync(file, { force: true });
  process.kill(pid, 'SIGUSR2');
  await until('the sidecar tells its size', () => existsSync(file));
  const { heapUsed, rss, alive } = JSON.parse(readFileSync(file, 'utf8')) as {
    readonly heapUsed: number;
    readonly rss: number;
    readonly alive: Readonly<Record<string, number>>;
  };
  return {
    cycle,
    heapKib: Math.round(heapUsed / 1024),
    rssKib: Math.round(rss / 1024),
    descriptors: readdirSync(`/proc/${pid}/fd`).length,
    timers: alive['Timeout'] ?? 0,
  };
}

/**
 * @param sizes of one process, oldest first
 * @throws Error where there are too few to compare
 */
export function growthOf(sizes: readonly Size[]): Readonly<Record<Measure, Growth>> {
  if (sizes.length < 2) throw new Error(`${sizes.length} samples are too few to see a growth`);
  const tenth = Math.max(1, Math.round(sizes.length / 10));
  const [early, late] = [sizes.slice(0, tenth), sizes.slice(-tenth)];
  const thousands = (median(late, 'cycle') - median(early, 'cycle')) / 1_000;
  const growth = (measure: Measure): Growth => {
    const { once, perThousand } = MAY_GROW[measure];
    const first = median(early, measure);
    return { first, last: median(late, measure), limit: Math.round(first + once + perThousand * thousands) };
  };
  return {
    heapKib: growth('heapKib'),
    rssKib: growth('rssKib'),
    descriptors: growth('descriptors'),
    timers: growth('timers'),
  };
}

function median(sizes: readonly Size[], measure: keyof Size): number {
  const sorted = sizes.map((size) => size[measure]).toSorted((one, other) => one - other);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}
