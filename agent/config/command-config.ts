/** A command as the configuration gives it. */

export interface CommandConfig {
  /** Program and arguments; no shell ever sees them. */
  readonly command: readonly string[];
  readonly timeoutMs: number;
}
