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
  /** Of all emitters and abort signals of the heap. */
  readonly listeners: number;
}
export const MEASURES = ['heapKib', 'rssKib', 'descriptors', 'timers', 'listeners'] as const;
export type Measure = (typeof MEASURES)[number];

/** Whether a measure is flat over the second half of the samples: what fills up comes before it. */
export interface Growth {
  /** Of that half. */
  readonly median: number;
  /** The median of the slopes between any two samples of it (Theil and Sen), for a thousand cycles. */
  readonly perThousand: number;
  /** What that makes over the cycles of that half, and the most that it may be. */
  readonly rise: number;
  readonly limit: number;
}

/**
 * What is taken for flat: so much for each thousand cycles, and so much at once, since polls come and go and a collection leaves
 * more or less. Where the samples themselves vary by more, three times their spread around the slope.
 */
const FLAT: Readonly<Record<Measure, { readonly perThousand: number; readonly once: number }>> = {
  heapKib: { perThousand: 60, once: 30 },
  rssKib: { perThousand: 1_000, once: 2_000 },
  descriptors: { perThousand: 1, once: 2 },
  timers: { perThousand: 1, once: 2 },
  listeners: { perThousand: 2, once: 6 },
};
const SPREADS = 3;
/** Fewer show no slope. */
const FEWEST = 8;

/** What the sidecar loads so that it tells its size. */
export const TELLS_SIZE = join(packageRoot(), 'test', 'fixtures', 'tells-size.mjs');

/** @param file the one that LASTCALL_SIZE names for that process */
export async function sizeOf(pid: number, file: string, cycle: number): Promise<Size> {
  rmSync(file, { force: true });
  process.kill(pid, 'SIGUSR2');
  await until('the sidecar tells its size', () => existsSync(file));
  const { heapUsed, rss, alive, listeners } = JSON.parse(readFileSync(file, 'utf8')) as {
    readonly heapUsed: number;
    readonly rss: number;
    readonly alive: Readonly<Record<string, number>>;
    readonly listeners: number;
  };
  return {
    cycle,
    heapKib: Math.round(heapUsed / 1024),
    rssKib: Math.round(rss / 1024),
    descriptors: readdirSync(`/proc/${pid}/fd`).length,
    timers: alive['Timeout'] ?? 0,
    listeners,
  };
}

/**
 * @param sizes of one process, oldest first
 * @throws Error where there are too few to compare
 */
export function growthOf(sizes: readonly Size[]): Readonly<Record<Measure, Growth>> {
  const last = sizes.slice(Math.floor(sizes.length / 2));
  if (last.length < FEWEST) throw new Error(`${sizes.length} samples are too few to see a growth`);
  return {
    heapKib: growth(last, 'heapKib'),
    rssKib: growth(last, 'rssKib'),
    descriptors: growth(last, 'descriptors'),
    timers: growth(last, 'timers'),
    listeners: growth(last, 'listeners'),
  };
}

/** What is not flat, with the figures. */
export function growingIn(growth: Readonly<Record<Measure, Growth>>): readonly string[] {
  return MEASURES.filter((one) => growth[one].rise > growth[one].limit).map(
    (one) => `${one}: ${JSON.stringify(growth[one])}`,
  );
}

function growth(sizes: readonly Size[], measure: Measure): Growth {
  const slope = median(slopesOf(sizes, measure));
  const cycles = (sizes.at(-1)?.cycle ?? 0) - (sizes[0]?.cycle ?? 0);
  // Whatever the slope is taken away from it: what is left is how much single samples vary.
  const level = sizes.map((size) => size[measure] - slope * size.cycle);
  const middle = median(level);
  const spread = median(level.map((one) => Math.abs(one - middle)));
  const { perThousand, once } = FLAT[measure];
  const limit = (perThousand * cycles) / 1_000 + Math.max(once, SPREADS * spread);
  return {
    median: median(sizes.map((size) => size[measure])),
    perThousand: rounded(slope * 1_000),
    rise: rounded(slope * cycles),
    limit: rounded(limit),
  };
}

function slopesOf(sizes: readonly Size[], measure: Measure): number[] {
  return sizes.flatMap((early, at) =>
    sizes.slice(at + 1).map((late) => (late[measure] - early[measure]) / (late.cycle - early.cycle)),
  );
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((one, other) => one - other);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

const rounded = (value: number): number => Math.round(value * 10) / 10;
