import { stripVTControlCharacters } from 'node:util';

/**
 * Rows in columns, two blanks apart; a row's last cell is not padded, nor does it widen the column for
 * the others. Colours take no room.
 */
export function alignTable(rows: readonly (readonly string[])[]): string[] {
  const widths = rows.reduce<number[]>((most, row) => {
    row.slice(0, -1).forEach((cell, column) => {
      most[column] = Math.max(most[column] ?? 0, lengthOf(cell));
    });
    return most;
  }, []);
  return rows.map((row) =>
    row
      .map((cell, column) => (column === row.length - 1 ? cell : pad(cell, (widths[column] ?? 0) + 2)))
      .join(''),
  );
}

function pad(cell: string, width: number): string {
  return cell + ' '.repeat(Math.max(0, width - lengthOf(cell)));
}

function lengthOf(cell: string): number {
  return stripVTControlCharacters(cell).length;
}
