/** Somebody who knows how many user sessions live on this node. */
export interface Source {
  /** Shown in `status`: `http`, or `http 2` where there are several. */
  readonly name: string;
  /**
   * Counts once, bounded by the driver's own deadline.
   * @returns a whole number, 0 or more
   * @throws LastcallError `failed` with the reason whenever the number is not certain: unknown is never zero (I7)
   */
  count(signal: AbortSignal): Promise<number>;
}
