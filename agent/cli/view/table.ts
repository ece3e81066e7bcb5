/** Rows in columns, two blanks apart; a row's last cell is not padded, nor does it widen the column for the others. */
export function alignTable(rows: readonly (readonly string[])[]): string[] {
  const widths = rows.reduce<number[]>((most, row) => {
    row.slice(0, -1).forEach((cell, column) => {
      most[column] = Math.max(most[column] ?? 0, cell.length);
    });
    return most;
  }, []);
  return rows.map((row) =>
    row
      .map((cell, column) => (column === row.length - 1 ? cell : cell.padEnd((widths[column] ?? 0) + 2)))
      .join(''),
  );
}
