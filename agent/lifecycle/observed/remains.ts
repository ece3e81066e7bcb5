import { evidenceOfLife } from './evidence.ts';
import type { App } from '../model/state.ts';
import { emit, type EventOf, patch, type Draft, warn } from '../draft.ts';

/**
 * An application that was stopped without a proof of its end is not started while it may still run: as long as
 * anything answers for it, the start waits. An operator may send `ready` right after `stop`; where the application
 * never ends, the message at the deadline names what still answers.
 */

export const UNPROVEN_END = 'nothing proves that the application is gone';

/** From one look to the next, in milliseconds. */
const ASK_EVERY_MS = 1_000;

/** Before a start: has the stopped application ended, as far as can be seen? */
export function askRemains(draft: Draft): 'go' | 'wait' {
  const { app, op } = draft.state;
  const { remains } = app;
  if (remains === null) return 'go';
  if (remains.isAsked || draft.at < remains.askAt) return 'wait';
  patch(draft, { app: { ...app, remains: { ...remains, isAsked: true } } });
  emit(draft, { type: 'look-for-life', id: op?.id ?? '', sources: draft.policy.appSources });
  return 'wait';
}

/** A start is due, and something was seen of the application that is gone: the start waits until nothing is. */
export function keepStartWaiting(draft: Draft, evidence: readonly string[]): void {
  const { app } = draft.state;
  if (app.remains?.isAsked === true) return;
  const remains = { isAsked: false, askAt: draft.at + ASK_EVERY_MS, evidence: evidence.join(', ') };
  patch(draft, { app: { ...app, remains } });
}

/** Why it was not started; null = nothing of the one before was seen. */
export function whatRemains({ remains }: Pick<App, 'remains'>): string | null {
  if (remains === null || remains.evidence === null) return null;
  return `the application that was stopped may still be running (${remains.evidence}), and nothing proves its end, so no second one was started: end it by hand, and configure app.stop.gone`;
}

export function onRemainsSeen(draft: Draft, { signs }: EventOf<'life'>): void {
  const { policy, state } = draft;
  const { app, health } = state;
  if (app.remains === null || !app.remains.isAsked) return;
  const evidence = evidenceOfLife(policy, health, signs).join(', ');
  if (evidence === '') return patch(draft, { app: { ...app, remains: null } });
  const remains = { isAsked: false, askAt: draft.at + ASK_EVERY_MS, evidence };
  patch(draft, { app: { ...app, remains } });
  warn(
    draft,
    'remains',
    `the start waited for what may have been left of the application that was stopped (${evidence}): nothing proves its end; configure app.stop.gone`,
  );
}

/** When the next look is due; nothing while no start waits for one. */
export function nextRemains({ remains, start }: App): number[] {
  return remains === null || remains.isAsked || start !== 'intended' ? [] : [remains.askAt];
}
