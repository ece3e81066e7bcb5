/** Time and chance of a simulated world: both come from a seed, so every run can be had again. */
export interface Timeline {
  /** Milliseconds; no two things happen at the same moment. */
  readonly now: number;
  /** 0 up to, not including, 1. */
  random(): number;
  between(least: number, most: number): number;
  chance(probability: number): boolean;
  pick<T>(all: readonly T[]): T | undefined;
  /** Runs `run` in `ms` milliseconds; the answer takes it back. */
  after(ms: number, run: () => void): () => void;
  /** Lets `ms` milliseconds pass. */
  advance(ms: number): void;
}

const TICK_MS = 0.001;

export function createTimeline(seed: number, start = 1_000_000): Timeline {
  const random = mulberry32(seed);
  let now = start;
  const due = createQueue();
  const between = (least: number, most: number): number => least + random() * (most - least);

  return {
    get now() {
      return now;
    },
    random,
    between,
    chance: (probability) => random() < probability,
    pick: (all) => all[Math.floor(random() * all.length)],
    after(ms, run) {
      const entry = due.add(now + Math.max(0, ms), run);
      return () => void (entry.run = null);
    },
    advance(ms) {
      const end = now + ms;
      for (let next = due.first(); next && next.at <= end; next = due.first()) {
        due.shift();
        if (next.run === null) continue;
        now = Math.max(next.at, now + TICK_MS);
        next.run();
      }
      now = Math.max(now, end);
    },
  };
}

interface Due {
  readonly at: number;
  /** Of two at the same moment, the one that was asked for first comes first. */
  readonly order: number;
  /** null = it was taken back. */
  run: (() => void) | null;
}

interface Queue {
  add(at: number, run: () => void): Due;
  first(): Due | undefined;
  shift(): void;
}

/** What is due, as a binary heap; what was taken back stays until it would have come. */
function createQueue(): Queue {
  const heap: Due[] = [];
  let order = 0;
  const at = (index: number): Due => heap[index] as Due;
  const isBefore = (one: Due, other: Due): boolean =>
    one.at < other.at || (one.at === other.at && one.order < other.order);

  function rise(entry: Due): void {
    let index = heap.length;
    heap.push(entry);
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!isBefore(entry, at(parent))) break;
      heap[index] = at(parent);
      index = parent;
    }
    heap[index] = entry;
  }

  function sink(entry: Due): void {
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(at(child + 1), at(child))) child += 1;
      if (!isBefore(at(child), entry)) break;
      heap[index] = at(child);
      index = child;
    }
    heap[index] = entry;
  }

  return {
    add(when, run) {
      const entry = { at: when, order: (order += 1), run };
      rise(entry);
      return entry;
    },
    first: () => heap[0],
    shift() {
      const last = heap.pop();
      if (last !== undefined && heap.length > 0) sink(last);
    },
  };
}

/** A small, good enough generator of numbers from 0 to 1 (Tommy Ettinger's mulberry32, public domain). */
function mulberry32(seed: number): () => number {
  let a = seed | 0;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
