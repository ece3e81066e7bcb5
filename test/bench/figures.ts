/** What lastcall was compared with, measured in the same run, in turns with lastcall. */
export interface Peer {
  /** What it is, as a reader knows it: `ansible, its defaults`. */
  readonly name: string;
  /** In the unit of the figure. */
  readonly value: number;
  readonly samples?: readonly number[];
}

/** A value that must not be exceeded. A peer is shown beside it, and does not decide. */
interface Absolute {
  readonly kind?: 'absolute';
  /** The largest value that passes, in the unit of the figure. */
  readonly limit: number;
  readonly peer?: Peer;
}

/** A peer that must not be exceeded by more than so many times. */
interface Relative {
  readonly kind: 'ratio';
  /** The largest value / peer.value that passes: 1.1, or 1/30 where lastcall has to be thirty times less. */
  readonly limit: number;
  readonly peer: Peer;
}

export type Bound = Absolute | Relative;

interface Measurement {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** How it was measured: how often, against what. */
  readonly how: string;
  /** What `value` was made of, in its unit: the table has their quartiles. */
  readonly samples?: readonly number[];
  /** Why too much of it is this machine's doing, where that was seen: such a row is `noisy` in place of FAIL. */
  readonly machine?: string;
  /** Why this machine cannot give it just now, where that was seen: such a row is `noisy`, whatever its value. */
  readonly starved?: string;
  /** A count or a size, which a busy machine does not change: too much of it is FAIL, never `noisy`. */
  readonly exact?: boolean;
  /** What others had in the same run, besides the peer of the bound; they do not decide. */
  readonly others?: readonly Peer[];
  /** For the page alone. */
  readonly plots?: readonly Plot[];
}

/** One measured figure and the bound it must keep. */
export type Figure = Measurement & Bound;

/** A figure that this machine cannot give. Neither passed nor failed. */
export interface MissingFigure {
  readonly name: string;
  /** What is not here, and how to get it: `no ansible on PATH: apt-get install ansible`. */
  readonly missing: string;
}

/** What a part of the benchmark returns, one line of the table each. */
export type Row = Figure | MissingFigure;

/** A part that threw: none of its figures is known. Failed. */
export interface BrokenPart {
  readonly name: string;
  /** What went wrong. */
  readonly broken: string;
}

/** Lines over time, or over anything else that grows. */
export interface Plot {
  readonly title: string;
  /** What the axes show, with the unit: `seconds after READY`. */
  readonly across: string;
  readonly up: string;
  readonly lines: readonly PlotLine[];
}

export interface PlotLine {
  readonly name: string;
  readonly points: readonly (readonly [across: number, up: number])[];
}

export function isFigure(row: Row | BrokenPart): row is Figure {
  return 'value' in row;
}

/** What is held against the limit: the value itself, or how many times the peer's it is. 0 of 0 is 1: as good as the peer. */
export function measureOf(figure: Figure): number {
  if (figure.kind !== 'ratio') return figure.value;
  if (figure.value === figure.peer.value) return 1;
  return figure.value / figure.peer.value;
}

/** False, too, for what is no number. */
export function passes(figure: Figure): boolean {
  return measureOf(figure) <= figure.limit;
}

/** The largest one. @throws Error without any: nothing is no 0 */
export function worst(values: readonly number[]): number {
  if (values.length === 0) throw new Error('nothing was measured');
  return Math.max(...values);
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

/** The first and the third quartile. */
export function quartiles(values: readonly number[]): readonly [number, number] {
  return [percentile(values, 0.25), percentile(values, 0.75)];
}

/** Three significant digits, and no fewer digits than a whole number has. */
export function round(value: number): string {
  return Math.abs(value) >= 100 ? value.toFixed(0) : String(Number(value.toPrecision(3)));
}
