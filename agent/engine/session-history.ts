import type { Sample } from './eta.ts';

/** How many users there were, from the beginning of an outing to now: bounded, however long it takes. */
export interface SessionHistory {
  /** Keeps a count; one that comes too soon after the one before replaces it. */
  add(sample: Sample): void;
  /** Clears everything: another outing begins. */
  clear(): void;
  /** In the order of time; the last one is the newest. */
  readonly samples: readonly Sample[];
}

const MOST = 600;
const FIRST_EVERY_MS = 250;

/** @param most how many samples it keeps; when there are more, every second one goes */
export function createSessionHistory(most = MOST): SessionHistory {
  let samples: Sample[] = [];
  let everyMs = FIRST_EVERY_MS;
  return {
    add(sample) {
      const before = samples.at(-2);
      if (before !== undefined && sample.at - before.at < everyMs) samples.pop();
      samples.push(sample);
      if (samples.length <= most) return;
      samples = samples.filter((_sample, index) => index % 2 === 0 || index === samples.length - 1);
      everyMs *= 2;
    },
    clear() {
      samples = [];
      everyMs = FIRST_EVERY_MS;
    },
    get samples() {
      return samples;
    },
  };
}

/**
 * The counts at `points` moments, evenly spaced from the first sample to `now`, as they were known then.
 * @returns fewer where it has fewer samples
 */
export function resample(samples: readonly Sample[], now: number, points: number): (number | null)[] {
  const [first] = samples;
  if (first === undefined) return [];
  if (samples.length <= points) return samples.map(({ count }) => count);
  let index = 0;
  return Array.from({ length: points }, (_none, point) => {
    const at = first.at + ((now - first.at) * point) / (points - 1);
    while (index + 1 < samples.length && (samples[index + 1] as Sample).at <= at) index += 1;
    return (samples[index] as Sample).count;
  });
}
