/** A count with its thing, as `1 session`, `2 sessions`; null = an unknown number of them. */
export function howMany(count: number | null, what: string): string {
  return count === 1 ? `1 ${what}` : `${count ?? 'an unknown number of'} ${what}s`;
}
