import { evidenceOfLife } from './evidence.ts';
import type { App } from '../model/state.ts';
import { emit, type EventOf, patch, type Turn, warn } from '../draft.ts';

/**
 * An application that was stopped without a proof of its end is not started while it may still run: as long as
 * anything answers for it, the start waits. An operator may send `ready` right after `stop`; where the application
 * never ends, the message at the deadline names what still answers.
 */

export const UNPROVEN_END = 'nothing proves that the application is gone';

/** From one look to the next, in milliseconds. */
const ASK_EVERY_MS = 1_000;

/** Before a start: has the stopped application ended, as far as can be seen? */
export function askRemains(turn: Turn): 'go' | 'wait' {
  const { app, op } = turn.state;
  const { remains } = app;
  if (remains === null) return 'go';
  if (remains.isAsked || turn.at < remains.askAt) return 'wait';
  patch(turn, { app: { ...app, remains: { ...remains, isAsked: true } } });
  emit(turn, { type: 'look-for-life', id: op?.id ?? '', sources: turn.policy.appSources });
  return 'wait';
}

/** Why it was not started; null = nothing of the one before was seen. */
export function whatRemains({ remains }: Pick<App, 'remains'>): string | null {
  if (remains === null || remains.evidence === null) return null;
  return `the application that was stopped may still be running (${remains.evidence}), and nothing proves its end, so no second one was started: end it by hand, and configure app.stop.gone`;
}

export function onRemainsSeen(turn: Turn, { signs }: EventOf<'life'>): void {
  const { policy, state } = turn;
  const { app, health } = state;
  if (app.remains === null || !app.remains.isAsked) return;
  const evidence = evidenceOfLife(policy, health, signs).join(', ');
  if (evidence === '') return patch(turn, { app: { ...app, remains: null } });
  const remains = { isAsked: false, askAt: turn.at + ASK_EVERY_MS, evidence };
  patch(turn, { app: { ...app, remains } });
  warn(
    turn,
    'remains',
    `the start waited for what may have been left of the application that was stopped (${evidence}): nothing proves its end; configure app.stop.gone`,
  );
}

/** When the next look is due; nothing while no start waits for one. */
export function nextRemains({ remains, start }: App): number[] {
  return remains === null || remains.isAsked || start !== 'intended' ? [] : [remains.askAt];
}
