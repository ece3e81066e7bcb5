/** One measured figure and the limit it must keep. */
export interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** The largest value that passes. */
  readonly limit: number;
  /** How it was measured: how often, against what. */
  readonly how: string;
}

export function passes({ value, limit }: Figure): boolean {
  return value <= limit;
}

/** The figures as a table, one line each. */
export function renderFigures(figures: readonly Figure[]): string[] {
  return figures.map((figure) => {
    const { name, value, unit, limit, how } = figure;
    const verdict = passes(figure) ? 'pass' : 'FAIL';
    const [measured, allowed] = [value, limit].map((number) => `${round(number)} ${unit}`);
    return `${verdict}  ${name.padEnd(46)}${(measured ?? '').padStart(12)}  limit ${allowed ?? ''}  (${how})`;
  });
}

/** The middle one, or the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((one, other) => one - other);
  const middle = sorted.length / 2;
  const [low, high] = [sorted[Math.ceil(middle) - 1], sorted[Math.floor(middle)]];
  if (low === undefined || high === undefined) throw new Error('nothing was measured');
  return (low + high) / 2;
}

/** The value that `share` of all values do not exceed. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((one, other) => one - other);
  const value = sorted[Math.ceil(share * sorted.length) - 1];
  if (value === undefined) throw new Error('nothing was measured');
  return value;
}

/** Three significant digits, and no fewer digits than a whole number has. */
export function round(value: number): string {
  return Math.abs(value) >= 100 ? value.toFixed(0) : String(Number(value.toPrecision(3)));
}
