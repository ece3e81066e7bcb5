import type { PhaseHookConfig } from '../config/hooks-config.ts';
import type { Phase, StatusOperation } from '../lifecycle/model/api.ts';
import { createHookCall, type HookFacts, type HookPorts } from './hook-call.ts';

/** A command or webhook that is called when the node comes into a phase: in the background, one call after the other. */

/** The node has come from one phase into another. */
export interface PhaseChange {
  readonly phase: Phase;
  /** null when the sidecar has just begun. */
  readonly previous: Phase | null;
  /** When the node came into the phase, ISO 8601. */
  readonly at: string;
  /** The operation that is under way, or that ended with this change. */
  readonly operation: Pick<StatusOperation, 'id' | 'operation' | 'by' | 'reason'> | null;
  /** How many sessions are left; null = unknown. */
  readonly sessions: number | null;
  /** The code of the operation that ended with this change; null where none did. It never rejects. */
  readonly code: Promise<string | null>;
}

export type HookOutcome = 'done' | 'failed' | 'dropped';

export interface PhaseHookPorts extends HookPorts {
  /** The outcome of a call, or of a change for which the hook is never called. `error` = why it failed. */
  readonly onOutcome: (outcome: HookOutcome, change: PhaseChange, error: unknown) => void;
}

export interface PhaseHook {
  /** For messages: the program, or the host of the webhook. */
  readonly name: string;
  /** Never throws and never waits. Changes that the hook is not there for are ignored. */
  tell(change: PhaseChange): void;
  /** Resolves once no call runs or waits, or when the signal aborts: what runs then is ended, what waits is dropped. */
  ended(signal: AbortSignal): Promise<void>;
}

interface WaitingChange {
  readonly change: PhaseChange;
  /** How many changes before it were dropped without a call. */
  dropped: number;
}

/** More than a restart has phases. Beyond it the oldest gives way: the newest shows where the node is. */
export const MOST_WAITING = 16;

/** @throws LastcallError `config` for a webhook whose URL is none */
export function createPhaseHook(config: PhaseHookConfig, ports: PhaseHookPorts): PhaseHook {
  const { node, onOutcome } = ports;
  const hook = createHookCall(config, ports);
  const ending = new AbortController();
  const { signal } = ending;
  const waiting: WaitingChange[] = [];
  let running: Promise<void> | null = null;

  const drop = (change: PhaseChange): void => onOutcome('dropped', change, null);
  const dropOldest = (): void => {
    const [oldest, next] = waiting;
    if (!oldest || !next) return;
    waiting.shift();
    next.dropped += oldest.dropped + 1;
    drop(oldest.change);
  };
  const call = async ({ change, dropped }: WaitingChange): Promise<void> => {
    const code = await change.code;
    try {
      await hook.call(hookFacts(node, change, code, dropped), signal);
      onOutcome('done', change, null);
    } catch (error) {
      onOutcome('failed', change, error);
    }
  };
  const work = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      if (signal.aborted) drop(next.change);
      else await call(next);
    }
    running = null;
  };
  return {
    name: hook.name,
    tell(change) {
      if (!config.on.includes(change.phase)) return;
      if (signal.aborted) return drop(change);
      waiting.push({ change, dropped: 0 });
      if (waiting.length > MOST_WAITING) dropOldest();
      running ??= work();
    },
    async ended(over) {
      const abort = (): void => ending.abort(over.reason);
      if (over.aborted) abort();
      over.addEventListener('abort', abort, { once: true });
      await running;
      over.removeEventListener('abort', abort);
    },
  };
}

/** What a hook gets, the same in both ways but for `text`, which chats show. */
export function hookFacts(
  node: string,
  change: PhaseChange,
  code: string | null,
  dropped: number,
): HookFacts {
  const { phase, previous, at, operation, sessions } = change;
  const facts = {
    node,
    phase,
    previous,
    at,
    id: operation?.id ?? null,
    operation: operation?.operation ?? null,
    by: operation?.by ?? null,
    reason: operation?.reason ?? null,
    sessions,
    code,
    dropped,
  };
  const variables = Object.entries({ ...facts, sessions: sessions ?? 'unknown' }).map(
    ([name, value]) => [`LASTCALL_${name.toUpperCase()}`, String(value ?? '')] as const,
  );
  return { variables: Object.fromEntries(variables), body: { text: textOf(facts), ...facts } };
}

function textOf(facts: {
  readonly node: string;
  readonly phase: Phase;
  readonly previous: Phase | null;
  readonly operation: string | null;
  readonly by: string | null;
  readonly reason: string | null;
  readonly code: string | null;
}): string {
  const { node, phase, previous, operation, by, reason, code } = facts;
  const change = previous === null ? `${node}: ${phase}` : `${node}: ${previous} -> ${phase}`;
  if (operation === null) return change;
  const ended = code === null ? '' : `: ${code}`;
  return `${change} (${operation} by ${by ?? ''}${reason === null ? '' : `, ${reason}`}${ended})`;
}
