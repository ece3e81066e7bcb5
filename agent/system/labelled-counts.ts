/** Counts by labels, which a scraper reads: the labels of each, and how many. */
export type Samples = readonly (readonly [labels: Readonly<Record<string, string>>, count: number])[];

/** Counts of one kind of occurrence; they live as long as the process. */
export interface LabelledCounts<Labels extends Readonly<Record<string, string>>> {
  add(labels: Labels, count?: number): void;
  samples(): Samples;
}

/** @returns one that has counted nothing */
export function createLabelledCounts<
  Labels extends Readonly<Record<string, string>>,
>(): LabelledCounts<Labels> {
  const counts = new Map<string, { readonly labels: Labels; count: number }>();
  return {
    add(labels, count = 1) {
      const key = JSON.stringify(labels);
      const known = counts.get(key);
      if (known) known.count += count;
      else counts.set(key, { labels, count });
    },
    samples: () => [...counts.values()].map(({ labels, count }) => [labels, count] as const),
  };
}
