import { evidenceOfLife } from './evidence.ts';
import { PHASES } from '../model/phase.ts';
import { type App, isGoneByRecord } from '../model/state.ts';
import { emit, type EventOf, patch, type Draft } from '../step-draft.ts';

/**
 * An application that was gone when the sidecar before this one ended: it may have been started from outside since, and HAProxy may
 * have given it users. So its end counts for what would move users, or start a second one, only once this life has looked
 * for it: where a probe is configured that has to find it down, and nothing may answer in its name.
 */

/** The id of such a look: it distinguishes its answer from those that a request or a start has asked for. */
const LOOK = 'recorded end';
/** From a look that found something to the next one, longer each time: a maintenance page may have its port for hours. */
const AGAIN_MS = 1_000;
const LONGEST_MS = 30_000;

/** Looks for it; once the probe, where there is one, has found it down. */
export function advanceRecordedEnd(draft: Draft): void {
  const { policy, state } = draft;
  const { app, health, phase } = state;
  const { recordedEnd: end } = app;
  if (end === null || !isGoneByRecord(state) || PHASES[phase].ending || app.start === 'sent') return;
  if (end.isAsked || draft.at < end.askAt || (policy.hasProbe && health !== 'down')) return;
  patch(draft, { app: { ...app, recordedEnd: { ...end, isAsked: true } } });
  emit(draft, { type: 'look-for-life', id: LOOK, sources: policy.appSources });
}

/** The answer: nothing lives there, or it is asked again, each time later. */
export function onRecordedEndSeen(draft: Draft, { id, signs }: EventOf<'life'>): void {
  const { policy, state } = draft;
  const { recordedEnd: end } = state.app;
  if (id !== LOOK || end === null) return;
  const { failures } = end;
  const askAt = draft.at + Math.min(AGAIN_MS * 2 ** failures, LONGEST_MS);
  const evidence = evidenceOfLife(policy, state.health, signs).join(', ');
  const recordedEnd = evidence === '' ? null : { isAsked: false, askAt, failures: failures + 1, evidence };
  patch(draft, { app: { ...state.app, recordedEnd } });
}

/** What answers in its place, so that a start waits; null = nothing was seen yet. */
export function answersAfterEnd({ gone, recordedEnd: end }: App): string | null {
  if (!gone || end === null || end.evidence === null) return null;
  return `the application was gone when the sidecar before this one ended, and something answers for it (${end.evidence}), so no second one was started: see what that is, and end it`;
}

/** When the next look is due. */
export function nextRecordedEnd({ gone, recordedEnd: end }: App): number[] {
  return !gone || end === null || end.isAsked ? [] : [end.askAt];
}
