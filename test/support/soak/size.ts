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

/** The first tenth of the samples against the last one, each by its median, and the slope of all. */
export interface Growth {
  readonly first: number;
  readonly last: number;
  /** By least squares, for each thousand cycles. */
  readonly perThousand: number;
}

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

/** @param sizes of one process, at least two, oldest first */
export function growthOf(sizes: readonly Size[], measure: Measure): Growth {
  const tenth = Math.max(1, Math.round(sizes.length / 10));
  const values = sizes.map((size) => size[measure]);
  return {
    first: median(values.slice(0, tenth)),
    last: median(values.slice(-tenth)),
    perThousand: Number(
      (
        slope(
          sizes.map(({ cycle }) => cycle),
          values,
        ) * 1_000
      ).toFixed(1),
    ),
  };
}

function median(values: readonly number[]): number {
  return values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)] ?? Number.NaN;
}

function slope(xs: readonly number[], ys: readonly number[]): number {
  const mean = (all: readonly number[]): number => all.reduce((sum, one) => sum + one, 0) / all.length;
  const [x, y] = [mean(xs), mean(ys)];
  const spread = xs.reduce((sum, one) => sum + (one - x) ** 2, 0);
  return xs.reduce((sum, one, at) => sum + (one - x) * ((ys[at] ?? y) - y), 0) / spread;
}
