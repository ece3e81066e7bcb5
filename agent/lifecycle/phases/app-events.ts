import { failWarming } from './return.ts';
import { evidenceOfLife } from '../observed/evidence.ts';
import { forgetGate } from './gate.ts';
import { askAnew } from '../observed/health.ts';
import { stopsApp } from '../model/operation.ts';
import { isOutward, PHASES } from '../model/phase.ts';
import { onSignOut } from './sign-out.ts';
import type { Policy } from '../model/policy.ts';
import type { App, State } from '../model/state.ts';
import { emit, type EventOf, patch, resave, type Draft } from '../step-draft.ts';
import { keepStartWaiting } from '../observed/unproven-end.ts';
import type { LifeSigns, Proof } from '../model/observation.ts';

/** Events about the application: its health, its end, its return. */

/** A process answers, but it may not be ours; which process it is has to be proven again. */
export function onProbed(draft: Draft, { health, signedOut }: EventOf<'probed'>): void {
  const { app, health: before, sources } = draft.state;
  patch(draft, { health });
  if (health === 'up' && before !== 'up')
    for (const [name, { error }] of Object.entries(sources))
      if (error !== null) emit(draft, { type: 'log', level: 'warn', text: `${name}: ${error}` });
  const isMissing = app.gone || app.unprovenEnd !== null;
  if (health === 'up' && isMissing && app.start !== 'sent')
    isThere(draft, { ...app, gone: false, start: 'none' });
  if (signedOut !== null) onSignOut(draft, signedOut);
}

/** An operator or supervisor has started it again: sessions are counted anew. */
export function noteAppAlive(draft: Draft, startedAt: number): void {
  const { app, phase } = draft.state;
  if (!app.gone || startedAt <= app.appGoneAt || PHASES[phase].ending || app.start === 'sent') return;
  isThere(draft, { ...app, gone: false });
  emit(draft, { type: 'log', level: 'warn', text: 'the application answers again' });
}

/** The application runs: another process than the one that is gone. */
function isThere(draft: Draft, app: App): void {
  const wasGone = draft.state.app.gone;
  patch(draft, { app: { ...app, recordedEnd: null, unprovenEnd: null } });
  // On disk as well: after a crash the application must not be taken for gone.
  if (wasGone) resave(draft);
  forgetGate(draft);
}

/** The application ended without a stop of ours: its sessions ended with it, and a return fails. */
export function onAppGone(draft: Draft, { signs }: EventOf<'app-gone'>): void {
  const { app, phase } = draft.state;
  if (PHASES[phase].ending || app.start === 'sent') return;
  // The end of a child is seen by its parent.
  const evidence = draft.policy.supervises ? [] : evidenceAgainstEnd(draft, signs);
  if (evidence.length > 0)
    return app.start === 'intended' ? keepStartWaiting(draft, evidence) : doubtEnd(draft, evidence);
  if (app.gone) return patch(draft, { app: { ...app, recordedEnd: null } });
  emit(draft, { type: 'log', level: 'warn', text: 'the application is gone' });
  askAnew(draft);
  patch(draft, { app: { ...app, gone: true, recordedEnd: null, appGoneAt: draft.at, proof: null } });
  forgetGate(draft);
  if (phase === 'warming' && app.start === 'done') failWarming(draft, 'it ended right after its start');
}

/**
 * Once the application is believed gone, only an unhealthy probe begun since is missing; a healthy one is its own
 * event.
 */
export function evidenceAgainstEnd({ policy, state: { app, health } }: Draft, signs: LifeSigns): string[] {
  return evidenceOfLife(policy, app.gone ? 'down' : health, signs);
}

/** The proven process has ended and something answers: a process that no proof names may be the application by now. */
export function doubtEnd(draft: Draft, evidence: readonly string[]): void {
  const { app } = draft.state;
  if (!app.gone && app.proof === null) return;
  const text = `the process of the application has ended; yet the application may be running (${evidence.join(', ')})`;
  emit(draft, { type: 'log', level: 'warn', text });
  isThere(draft, { ...app, gone: false, proof: null });
}

/** Another process is the application now: its users are counted, and a stop is meant for it. */
export function onAppBack(draft: Draft, proof: Proof): void {
  const { app, phase } = draft.state;
  if (PHASES[phase].ending || app.start === 'sent') return;
  const how = app.gone || app.proof === null ? 'runs again' : 'has replaced itself and runs on';
  emit(draft, { type: 'log', level: 'warn', text: `the application ${how}, as process ${proof.pid}` });
  isThere(draft, { ...app, gone: false, proof, start: app.start === 'intended' ? 'none' : app.start });
}

/** The process has ended and it is unknown which one replaced it, if any; a stop has to look it up first. */
export function needsProcessLookup(policy: Policy, state: State): boolean {
  const { app, op, phase } = state;
  if (PHASES[phase].ending || app.start === 'sent') return false;
  const isToStop = stopsApp(op?.kind) && isOutward(phase);
  return app.gone || (app.proof === null && isToStop) || mayHaveEnded(policy, state);
}

/**
 * Its start was answered, no process proves that it lives, and it never became healthy: in a node that is in DRAIN where MAINT is
 * meant (HAProxy has booted too, in READY). Whether it has ended is looked into; once it has, the node is fenced again.
 * Under `run --` the parent sees the end of its child.
 */
export function mayHaveEnded({ hasProbe, supervises }: Policy, state: State): boolean {
  const { app, health, outing, phase } = state;
  if (phase !== 'failed' || supervises || outing?.level !== 'drain' || !outing.fenced) return false;
  const isUnknown = !app.gone && app.proof === null && app.unprovenEnd === null && app.start === 'none';
  return isUnknown && hasProbe && health === 'down';
}
