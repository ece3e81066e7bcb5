import { isMissing, measureOf, passes, round, type Figure, type Row } from './figures.ts';

/** The rows as lines: the verdict, what was measured, what was allowed, and how. */
export function renderRows(rows: readonly Row[]): string[] {
  return rows.map((row) => (isMissing(row) ? `missing  ${row.name.padEnd(52)}${row.missing}` : lineOf(row)));
}

function lineOf(figure: Figure): string {
  const { name, value, unit, how } = figure;
  const verdict = passes(figure) ? 'pass' : 'FAIL';
  return `${verdict.padEnd(9)}${name.padEnd(52)}${`${round(value)} ${unit}`.padStart(14)}  ${allowed(figure)}  (${how})`;
}

function allowed(figure: Figure): string {
  const { unit, limit } = figure;
  if (figure.kind !== 'ratio') return `limit ${round(limit)} ${unit}`;
  const { name, value } = figure.peer;
  return `${round(measureOf(figure))}x of ${round(value)} ${unit} (${name}), limit ${round(limit)}x`;
}
