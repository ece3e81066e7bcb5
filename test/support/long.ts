/** The same campaigns for each run of `npm test`; chance has its place in `npm run test:long`. */
export const SEED = 20_261_128;

/** How many runs a property gets: `LASTCALL_LONG=20` makes it twenty times as many. */
export function runs(usual: number): number {
  return Math.round(usual * Number(process.env['LASTCALL_LONG'] ?? 1));
}
