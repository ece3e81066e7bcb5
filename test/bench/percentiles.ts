import { percentile, type PlotLine } from './figures.ts';

const SHARES = [...Array.from({ length: 98 }, (_none, index) => (index + 1) / 100), 0.99, 0.995, 0.999, 1];

/** The curve of percentiles: across the share of the values in percent, up what they do not exceed. */
export function percentilesOf(values: readonly number[]): PlotLine['points'] {
  return SHARES.map((share) => [share * 100, percentile(values, share)] as const);
}
