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

interface Due {
  readonly at: number;
  readonly run: () => void;
}

const TICK_MS = 0.001;

export function createTimeline(seed: number, start = 1_000_000): Timeline {
  const random = mulberry32(seed);
  let now = start;
  let due: Due[] = [];
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
      const entry = { at: now + Math.max(0, ms), run };
      const place = due.findIndex(({ at }) => at > entry.at);
      due.splice(place < 0 ? due.length : place, 0, entry);
      return () => {
        due = due.filter((other) => other !== entry);
      };
    },
    advance(ms) {
      const end = now + ms;
      for (let next = due[0]; next && next.at <= end; next = due[0]) {
        due.shift();
        now = Math.max(next.at, now + TICK_MS);
        next.run();
      }
      now = Math.max(now, end);
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
