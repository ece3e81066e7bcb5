import { PHASES } from '../lifecycle/model/phase.ts';
import * as defaults from './defaults.ts';
import * as field from './fields.ts';
import { mapping, oneOf } from './fields.ts';
import type { HookCallConfig, PhaseHookConfig, WarnConfig } from './hooks-config.ts';
import * as z from 'zod';

/** `drain.gate`, `drain.warn` and `hooks`: what is run beside the lifecycle. */

export const gate = mapping({
  on: field.command,
  off: field.command,
  timeout: field.duration.default(defaults.HOOK_TIMEOUT_MS),
}).transform(({ on, off, timeout }) => ({
  on: { command: on, timeoutMs: timeout },
  off: { command: off, timeoutMs: timeout },
}));

const timeout = field.duration.default(defaults.HOOK_TIMEOUT_MS);

type WrittenCall = { readonly timeout: number } & (
  { readonly command: string[] } | { readonly webhook: string }
);

function callOf(written: WrittenCall): HookCallConfig {
  const timeoutMs = written.timeout;
  if ('command' in written) return { kind: 'command', command: written.command, timeoutMs };
  return { kind: 'webhook', url: written.webhook, timeoutMs };
}

const warnKeys = { before: field.duration, timeout };

export const warn = oneOf({
  command: mapping({ command: field.command, ...warnKeys }),
  webhook: mapping({ webhook: field.httpUrl, ...warnKeys }),
}).transform((written): WarnConfig => ({ ...callOf(written), beforeMs: written.before }));

const phase = z.enum(Object.keys(PHASES) as (keyof typeof PHASES)[]);
const phaseKeys = { on: z.array(phase).min(1), timeout };

/** One entry of `hooks`. */
export const phaseHook = oneOf({
  command: mapping({ command: field.command, ...phaseKeys }),
  webhook: mapping({ webhook: field.httpUrl, ...phaseKeys }),
}).transform((written): PhaseHookConfig => ({ ...callOf(written), on: written.on }));
