/** How many runs a property gets: `LASTCALL_LONG=20` makes it twenty times as many. */
export function runs(usual: number): number {
  return Math.round(usual * Number(process.env['LASTCALL_LONG'] ?? 1));
}
