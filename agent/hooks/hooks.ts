import type { CommandConfig } from '../config/command-config.ts';
import type { WarnConfig } from '../config/hooks-config.ts';
import type { DeadlineWarning } from '../lifecycle/model/effect.ts';
import { createHookCall, type HookFacts, type HookPorts, runHook } from './hook-call.ts';

/** The hooks that the lifecycle itself asks for: the gate, and the warnings before a deadline. */

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
  return { turn: (to, signal) => runHook(commands[to], { LASTCALL_NODE: ports.node }, ports, signal) };
}

/**
 * A hook of the deadline ladder.
 * @throws LastcallError `config` for a webhook whose URL is none
 */
export function createWarner(config: WarnConfig, ports: HookPorts): Warner {
  const hook = createHookCall(config, ports);
  return { warn: (about, signal) => hook.call(warningFacts(ports.node, about), signal) };
}

/** What such a hook gets, the same in both ways. */
export function warningFacts(node: string, about: DeadlineWarning): HookFacts {
  return { variables: environmentOf(node, about), body: { node, ...about } };
}

function environmentOf(
  node: string,
  { id, operation, sessions, secondsLeft, onTimeout }: DeadlineWarning,
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
