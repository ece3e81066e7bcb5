/** Rows in columns, two blanks apart; the last column is not padded. */
export function alignTable(rows: readonly (readonly string[])[]): string[] {
  const widths = rows.reduce<number[]>((most, row) => {
    row.forEach((cell, column) => {
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
