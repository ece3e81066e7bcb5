import { PHASES } from '../model/phase.ts';
import { RETRY_FIRST_MS, RETRY_LONGEST_MS } from '../model/policy.ts';
import { type Gate, GATE_OFF, type State } from '../model/state.ts';
import { alarm, emit, type EventOf, isDurable, patch, type Draft, warn } from '../step-draft.ts';

/**
 * The gate: the application refuses new sessions from before the second look until the way back. HAProxy's MAINT does
 * not survive a reload by itself, and between the last look and the stop a reload would let new users in; a model
 * checker found that only this or a fresh server-state file closes the window.
 */

/** Shuts or opens the gate where it is not as the phase wants it. */
export function advanceGate(draft: Draft): void {
  const { policy, state } = draft;
  const target = wantedGate(state);
  if (!policy.hasGate || target === null || !isDurable(state)) return;
  const { gate } = state;
  if (gate.is === target || gate.asked !== null || gate.retryAt > draft.at) return;
  patch(draft, { gate: { ...gate, asked: target } });
  emit(draft, { type: 'set-gate', to: target });
}

/** What the phase wants of the gate; null = it stays as it is. An application that is gone takes no sessions. */
function wantedGate({ phase, outing, health, app }: State): Gate['asked'] {
  if (app.gone) return null;
  const { gate } = PHASES[phase];
  switch (gate) {
    case 'on':
    case 'off':
      return gate;
    case 'fenced':
      return outing?.fenced === false ? 'off' : 'on';
    case 'off-once-alive':
      // The command may need the application that is just being started.
      return health === 'up' || app.start === 'none' ? 'off' : null;
    case 'keep':
      return null;
    default:
      return gate satisfies never;
  }
}

export function isGate({ policy, state: { gate, app } }: Draft, is: 'on' | 'off'): boolean {
  return !policy.hasGate || app.gone || gate.is === is;
}

/** Another process, or none, is the application now: the gate's state ended with the process before it. */
export function forgetGate(draft: Draft): void {
  const { asked } = draft.state.gate;
  patch(draft, { gate: { ...GATE_OFF, is: 'unknown', asked, isStale: asked !== null } });
}

/** The command has ended. One that failed is tried again: a gate that may still be open is no gate. */
export function onGateSet(draft: Draft, { to, error }: EventOf<'gate-set'>): void {
  const { gate } = draft.state;
  if (gate.isStale) return patch(draft, { gate: { ...GATE_OFF, is: 'unknown' } });
  if (error === null) {
    patch(draft, { gate: { ...GATE_OFF, is: to } });
    return alarm(draft, 'gate', null);
  }
  const pause = Math.min(RETRY_FIRST_MS * 2 ** gate.failures, RETRY_LONGEST_MS);
  patch(draft, {
    gate: { ...GATE_OFF, is: 'unknown', failures: gate.failures + 1, retryAt: draft.at + pause },
  });
  const text = `the gate command \`${to}\` failed: ${error}; it is tried again`;
  warn(draft, `gate ${to}`, text);
  alarm(draft, 'gate', text);
}
