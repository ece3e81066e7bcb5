import type { CommandConfig } from '../config/command-config.ts';
import type { HookCallConfig } from '../config/hooks-config.ts';
import type { Clock } from '../system/clock.ts';
import { LastcallError } from '../system/error.ts';
import { httpPost, parseHttpUrl } from '../system/http.ts';
import { endingOf, runCommand } from '../system/run-command.ts';

/** One call of an operator's command or webhook: the same facts as variables of an environment, or as JSON. */

const MAX_OUTPUT_BYTES = 16 * 1024;

export interface HookPorts {
  readonly clock: Clock;
  /** The environment that the commands get, besides their own variables. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly node: string;
}

/** What the hook is called for. */
export interface HookFacts {
  /** For a command, besides the environment of all commands. */
  readonly variables: Readonly<Record<string, string>>;
  /** For a webhook, as JSON. */
  readonly body: object;
}

export interface HookCall {
  /** For messages: the program, or the host of the webhook. Arguments and paths may be secrets. */
  readonly name: string;
  /** @throws LastcallError `failed` when the command or the webhook does not take it in time; the signal's reason */
  call(facts: HookFacts, signal: AbortSignal): Promise<void>;
}

/** @throws LastcallError `config` for a webhook whose URL is none */
export function createHookCall(config: HookCallConfig, ports: HookPorts): HookCall {
  if (config.kind === 'webhook') return createWebhook(config.url, config.timeoutMs, ports);
  return {
    name: config.command[0] ?? '',
    call: ({ variables }, signal) => runHook(config, variables, ports, signal),
  };
}

function createWebhook(text: string, timeoutMs: number, { clock }: HookPorts): HookCall {
  const url = parseHttpUrl(text);
  const { host } = url;
  return {
    name: host,
    async call({ body }, signal) {
      const began = clock.now();
      const { status } = await httpPost(url, body, timeoutMs, { clock, signal }, { shown: host });
      if (status >= 200 && status < 300) return;
      const redirects = status >= 300 && status < 400;
      // Elsewhere its token, and what is told here, would be another host's.
      const why = redirects ? `${status}, and no redirect is followed` : status;
      throw new LastcallError('failed', `${host} answered ${why}`, {
        target: host,
        elapsedMs: clock.now() - began,
        next: redirects ? 'write the URL to which it leads' : 'look at the webhook',
      });
    },
  };
}

/**
 * Runs a hook's command, with its own variables besides the environment of all commands.
 * @throws LastcallError `failed` when it does not end with 0 in time; the signal's reason
 */
export async function runHook(
  { command, timeoutMs }: CommandConfig,
  variables: Readonly<Record<string, string>>,
  { clock, env }: HookPorts,
  signal: AbortSignal,
): Promise<void> {
  const options = {
    timeoutMs,
    maxOutputBytes: MAX_OUTPUT_BYTES,
    env: { ...env, ...variables },
    endsGroup: true,
  };
  const result = await runCommand(command, options, { clock, signal });
  if (result.exitCode === 0 && !result.timedOut) return;
  const [program = ''] = command;
  throw new LastcallError('failed', `\`${program}\` failed: ${endingOf(result)}`, {
    target: program,
    elapsedMs: result.elapsedMs,
    next: 'correct the command',
  });
}
