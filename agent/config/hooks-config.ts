import type { Phase } from '../lifecycle/model/api.ts';
import type { CommandConfig } from './command-config.ts';

/** The commands and webhooks that run beside the lifecycle, and the conditions, as the configuration gives them. */

/** A command, or a POST of JSON to a URL, which may be a secret. */
export type HookCallConfig =
  | ({ readonly kind: 'command' } & CommandConfig)
  | { readonly kind: 'webhook'; readonly url: string; readonly timeoutMs: number };

/** A warning, so long before the deadline, that users are still connected. */
export type WarnConfig = HookCallConfig & { readonly beforeMs: number };

/** Called when the node comes into one of these phases. */
export type PhaseHookConfig = HookCallConfig & { readonly on: readonly Phase[] };

/** A condition of a scheduled operation, looked at when it is due. */
export type ConditionConfig =
  /** Met where this file, or directory, is there. */
  | { readonly kind: 'file'; readonly path: string }
  /** Met where the command ends with exit code 0. */
  | ({ readonly kind: 'command' } & CommandConfig);
