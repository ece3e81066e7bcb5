/** A source of the number of user sessions on this node. */
export interface Source {
  /** Shown in `status`: `http`, or `http 2` where there are several. */
  readonly name: string;
  /**
   * Counts once, bounded by the driver's own deadline.
   * @returns a whole number, 0 or more
   * @throws LastcallError `failed` with the reason whenever the number is not certain: unknown is never zero (I7)
   */
  count(signal: AbortSignal): Promise<number>;
  /**
   * The least time from the end of one count to the next, in milliseconds, as it is now: counting costs others
   * something. Missing: none. The count behind a fence does not wait for it.
   * @param leftMs milliseconds to the deadline of the operation that waits for the count; missing: none does
   */
  readonly minPauseMs?: (this: void, leftMs?: number) => number;
  /**
   * How long after the last count, in milliseconds, the last user will be gone if none sends another request; null
   * = unknown. Missing: never.
   */
  readonly atMostMs?: (this: void) => number | null;
  /** What counts better when the application is set otherwise while the node is out; most have none. */
  readonly tuning?: SourceTuning;
}

/**
 * A setting of the living application, lowered while the node is out and put back afterwards. Without it the count is
 * still true, only later: a failure is a warning, and neither stops an operation nor keeps the node out.
 */
export interface SourceTuning {
  /**
   * Called once, when the node goes out.
   * @returns what was found, for `restore`: to be kept in the record, for a sidecar that takes over cannot ask any more
   * @throws LastcallError `failed`; the signal's reason when aborted
   */
  apply(signal: AbortSignal): Promise<string>;
  /**
   * Called when the node is on its way back with the application still or again alive. Puts back what is still as
   * `apply` left it; may be called again.
   * @throws LastcallError `failed`; the signal's reason when aborted
   */
  restore(found: string, signal: AbortSignal): Promise<void>;
}
