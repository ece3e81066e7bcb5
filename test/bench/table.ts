import { isFigure, measureOf, quartiles, round, type Figure } from './figures.ts';
import type { JudgedRow } from './verdict.ts';

const COLUMNS = ['what', 'lastcall', 'peer', 'limit', 'ratio', 'quartiles', 'verdict'] as const;

/** The texts of a row's columns; what a missing or a broken one has instead of figures is in `note`. */
export interface Cells {
  readonly name: string;
  readonly own: string;
  readonly peer: string;
  readonly limit: string;
  /** How many times the peer's it is; empty without a peer. */
  readonly ratio: string;
  readonly spread: string;
  readonly verdict: string;
  readonly note: string;
}

/** The table at the end: a line for its head, one for each row. */
export function renderTable(rows: readonly JudgedRow[]): string[] {
  const table = rows.map(cellsOf);
  const lines = [
    COLUMNS,
    ...table.map(({ name, own, peer, limit, ratio, spread, verdict }) => [
      name,
      own,
      peer,
      limit,
      ratio,
      spread,
      verdict,
    ]),
  ];
  const widths = COLUMNS.map((_head, column) =>
    Math.max(...lines.map((cells) => cells[column]?.length ?? 0)),
  );
  const aligned = lines.map((cells) =>
    cells.map((cell, column) => pad(cell, widths[column] ?? 0, column)).join('  '),
  );
  return aligned.map((line, index) => {
    const note = table[index - 1]?.note ?? '';
    return note === '' ? line.trimEnd() : `${line.trimEnd()}: ${note}`;
  });
}

/** A row as the run prints it while it goes on: with how it was measured. */
export function lineOf(judged: JudgedRow): string {
  const { name, own, peer, limit, ratio, verdict, note } = cellsOf(judged);
  const { row } = judged;
  if (!isFigure(row)) return `${verdict.padEnd(9)}${name}: ${note}`;
  const against = peer === '' ? '' : `, ${ratio} of ${peer}`;
  return `${verdict.padEnd(9)}${name}: ${own}${against}; limit ${limit} (${methodOf(row)})`;
}

/** How it was measured, with what the machine did to it. */
export function methodOf({ how, machine, starved }: Figure): string {
  return [how, machine, starved].filter((part) => part !== undefined).join('; ');
}

export function cellsOf({ row, verdict }: JudgedRow): Cells {
  const empty = { own: '', peer: '', limit: '', ratio: '', spread: '' };
  if (!isFigure(row))
    return { ...empty, name: row.name, verdict, note: 'missing' in row ? row.missing : row.broken };
  const { name, unit, samples, peer } = row;
  return {
    name,
    verdict,
    note: '',
    own: withUnit(row.value, unit),
    peer: peer === undefined ? '' : `${withUnit(peer.value, unit)} ${peer.name}`,
    limit: row.kind === 'ratio' ? times(row.limit) : withUnit(row.limit, unit),
    ratio: ratioOf(row),
    spread: samples === undefined ? '' : quartiles(samples).map(round).join(' .. '),
  };
}

function ratioOf(figure: Figure): string {
  if (figure.kind === 'ratio') return times(measureOf(figure));
  if (figure.peer !== undefined && figure.peer.value !== 0) return times(figure.value / figure.peer.value);
  return '';
}

/** `1.1x`, and `1/31` for what is far below. */
function times(ratio: number): string {
  return ratio > 0 && ratio <= 0.2 ? `1/${round(1 / ratio)}` : `${round(ratio)}x`;
}

function withUnit(value: number, unit: string): string {
  return `${round(value)} ${unit}`.trim();
}

/** Words from the left, figures from the right. */
function pad(cell: string, width: number, column: number): string {
  const words = [0, 2, 6];
  return words.includes(column) ? cell.padEnd(width) : cell.padStart(width);
}
