import { createTimeline } from '../world/timeline.ts';

/** Chance for the making of a campaign, apart from the chance in its world. */
export interface Draw {
  pick<T>(...all: readonly T[]): T;
  chance(probability: number): boolean;
  below(n: number): number;
}

export function createDraw(seed: number): Draw {
  const time = createTimeline(seed ^ 0x5bd1e995);
  return {
    pick: (...all) => all[Math.floor(time.random() * all.length)] as (typeof all)[number],
    chance: (probability) => time.random() < probability,
    below: (n) => Math.floor(time.random() * n),
  };
}
