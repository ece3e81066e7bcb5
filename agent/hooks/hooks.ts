import type { WarnConfig } from '../config/config.ts';
import type { CommandConfig } from '../config/command-config.ts';
import type { DeadlineWarning } from '../lifecycle/model/effect.ts';
import type { Clock } from '../system/clock.ts';
import { LastcallError } from '../system/error.ts';
import { httpPost, parseHttpUrl } from '../system/http.ts';
import { endingOf, runCommand } from '../system/run-command.ts';

/** What the operator wants run beside the lifecycle: the gate, and the warnings before a deadline. */

const MAX_OUTPUT_BYTES = 16 * 1024;

export interface HookPorts {
  readonly clock: Clock;
  /** The environment that the commands get, besides their own variables. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly node: string;
}

/** Makes the application refuse new sessions (`on`), or take them again (`off`). */
export interface GateKeeper {
  /** @throws LastcallError `failed` when the command does not end with 0 in time */
  turn(to: 'on' | 'off', signal: AbortSignal): Promise<void>;
}

export interface Warner {
  /** @throws LastcallError `failed` when the command or the webhook does not take it in time */
  warn(about: DeadlineWarning, signal: AbortSignal): Promise<void>;
}

export function createGateKeeper(
  commands: { on: CommandConfig; off: CommandConfig },
  ports: HookPorts,
): GateKeeper {
  return { turn: (to, signal) => run(commands[to], { LASTCALL_NODE: ports.node }, ports, signal) };
}

/**
 * A hook of the deadline ladder.
 * @throws LastcallError `config` for a webhook whose URL is none
 */
export function createWarner(config: WarnConfig, ports: HookPorts): Warner {
  if (config.kind === 'command') {
    return { warn: (about, signal) => run(config, environmentOf(about, ports.node), ports, signal) };
  }
  const url = parseHttpUrl(config.url);
  return {
    async warn(about, signal) {
      const body = { node: ports.node, ...about };
      const { status } = await httpPost(url, body, config.timeoutMs, { clock: ports.clock, signal });
      if (status >= 200 && status < 300) return;
      throw new LastcallError('failed', `${url.host} answered ${status} to the warning`, {
        target: url.host,
        next: 'look at the webhook',
      });
    },
  };
}

async function run(
  { command, timeoutMs }: CommandConfig,
  told: Record<string, string>,
  { clock, env }: HookPorts,
  signal: AbortSignal,
): Promise<void> {
  const options = { timeoutMs, maxOutputBytes: MAX_OUTPUT_BYTES, env: { ...env, ...told }, endsGroup: true };
  const result = await runCommand(command, options, { clock, signal });
  if (result.exitCode === 0 && !result.timedOut) return;
  throw new LastcallError('failed', `\`${command.join(' ')}\` failed: ${endingOf(result)}`, {
    target: command.join(' '),
    elapsedMs: result.elapsedMs,
    next: 'correct the command',
  });
}

function environmentOf(
  { id, operation, sessions, secondsLeft, onTimeout }: DeadlineWarning,
  node: string,
): Record<string, string> {
  return {
    LASTCALL_NODE: node,
    LASTCALL_ID: id,
    LASTCALL_OPERATION: operation,
    LASTCALL_SESSIONS: sessions === null ? 'unknown' : String(sessions),
    LASTCALL_SECONDS_LEFT: String(secondsLeft),
    LASTCALL_ON_TIMEOUT: onTimeout,
  };
}
