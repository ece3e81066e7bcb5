import type { CommandConfig } from './command-config.ts';

/** What an operator wants run or asked beside the lifecycle, as the configuration gives it. */

/** A condition of a scheduled operation, looked at when it is due. */
export type ConditionConfig =
  /** Met where this file, or directory, is there. */
  | { readonly kind: 'file'; readonly path: string }
  /** Met where the command ends with exit code 0. */
  | ({ readonly kind: 'command' } & CommandConfig);
