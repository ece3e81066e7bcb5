import { evidenceOfLife } from './evidence.ts';
import type { App } from '../model/state.ts';
import { emit, type EventOf, patch, type Draft, warn } from '../step-draft.ts';

/**
 * An application that was stopped without a proof of its end is not started while it may still run: as long as
 * anything answers for it, the start waits. An operator may send `ready` right after `stop`; where the application
 * never ends, the message at the deadline names what still answers.
 */

export const UNPROVEN_END = 'nothing proves that the application is gone';

/** From one look to the next, in milliseconds. */
const ASK_EVERY_MS = 1_000;

/** Before a start: has the stopped application ended, as far as can be seen? */
export function checkUnprovenEnd(draft: Draft): 'go' | 'wait' {
  const { app, op } = draft.state;
  const { unprovenEnd } = app;
  if (unprovenEnd === null) return 'go';
  if (unprovenEnd.isAsked || draft.at < unprovenEnd.askAt) return 'wait';
  patch(draft, { app: { ...app, unprovenEnd: { ...unprovenEnd, isAsked: true } } });
  emit(draft, { type: 'look-for-life', id: op?.id ?? '', sources: draft.policy.appSources });
  return 'wait';
}

/** A start is due, and something was seen of the application that is gone: the start waits until nothing is. */
export function keepStartWaiting(draft: Draft, evidence: readonly string[]): void {
  const { app } = draft.state;
  if (app.unprovenEnd?.isAsked === true) return;
  const unprovenEnd = { isAsked: false, askAt: draft.at + ASK_EVERY_MS, evidence: evidence.join(', ') };
  patch(draft, { app: { ...app, unprovenEnd } });
}

/** Why it was not started; null = nothing of the one before was seen. */
export function unprovenEndReason({ unprovenEnd }: Pick<App, 'unprovenEnd'>): string | null {
  if (unprovenEnd === null || unprovenEnd.evidence === null) return null;
  return `the application that was stopped may still be running (${unprovenEnd.evidence}), and nothing proves its end, so no second one was started: end it by hand, and configure app.stop.gone`;
}

export function onUnprovenEndChecked(draft: Draft, { signs }: EventOf<'life'>): void {
  const { policy, state } = draft;
  const { app, health } = state;
  if (app.unprovenEnd === null || !app.unprovenEnd.isAsked) return;
  const evidence = evidenceOfLife(policy, health, signs).join(', ');
  if (evidence === '') return patch(draft, { app: { ...app, unprovenEnd: null } });
  const unprovenEnd = { isAsked: false, askAt: draft.at + ASK_EVERY_MS, evidence };
  patch(draft, { app: { ...app, unprovenEnd } });
  warn(
    draft,
    'remains',
    `the start waited for what may have been left of the application that was stopped (${evidence}): nothing proves its end; configure app.stop.gone`,
  );
}

/** When the next look is due; nothing while no start waits for one. */
export function nextUnprovenEndCheck({ unprovenEnd, start }: App): number[] {
  return unprovenEnd === null || unprovenEnd.isAsked || start !== 'intended' ? [] : [unprovenEnd.askAt];
}
