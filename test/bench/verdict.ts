import { isFigure, measureOf, passes, type BrokenPart, type Figure, type Row } from './figures.ts';

/** A machine whose slowest tenth of equal works takes so many times the fastest tenth is not steady. */
export const NOISY_FROM = 1.5;

export type RowVerdict = 'pass' | 'FAIL' | 'missing' | 'noisy';

/** A row of the table, with what the run knows of it. */
export interface JudgedRow {
  readonly row: Row | BrokenPart;
  /** Runs the part of the benchmark that measured it, alone. */
  readonly command: string;
  readonly verdict: RowVerdict;
}

/**
 * The verdict on a row that was measured while equal works differed by the factor `noise`: `noisy` where that factor,
 * either way, would have turned the answer. What is far from its limit, and what is counted, is judged all the same, unless
 * the row itself says that the machine is the cause.
 */
export function verdictOn(row: Row | BrokenPart, noise: number): RowVerdict {
  if (!isFigure(row)) return 'missing' in row ? 'missing' : 'FAIL';
  if (row.starved !== undefined) return 'noisy';
  if (noise >= NOISY_FROM && row.exact !== true && couldTurn(row, noise)) return 'noisy';
  if (passes(row)) return 'pass';
  return row.machine === undefined ? 'FAIL' : 'noisy';
}

function couldTurn(figure: Figure, noise: number): boolean {
  const measure = measureOf(figure);
  return measure / noise <= figure.limit && measure * noise > figure.limit;
}

/**
 * A broken limit is 1; else 75 where the machine was too noisy for some row, or no row could be judged at all. What is missing
 * beside rows that passed has not failed.
 */
export function exitCodeOf(rows: readonly JudgedRow[]): 0 | 1 | 75 {
  const verdicts = new Set(rows.map(({ verdict }) => verdict));
  if (verdicts.has('FAIL')) return 1;
  return verdicts.has('noisy') || !verdicts.has('pass') ? 75 : 0;
}

/** `31 pass, 0 FAIL, 2 missing, 1 noisy`. */
export function countsOf(rows: readonly JudgedRow[]): string {
  if (rows.length === 0) return 'nothing was measured';
  const all: readonly RowVerdict[] = ['pass', 'FAIL', 'missing', 'noisy'];
  return all.map((one) => `${rows.filter(({ verdict }) => verdict === one).length} ${one}`).join(', ');
}

/** What one part of the benchmark gave. */
export interface PlayedPart {
  readonly name: string;
  readonly rows: readonly JudgedRow[];
  readonly seconds: number;
  /** How many times the fastest tenth of equal works the slowest tenth took, just before and just after it. */
  readonly noise: number;
  /** The load of the machine when it had ended. */
  readonly load: number;
}
