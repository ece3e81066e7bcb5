import { failWarming } from './return.ts';
import { evidenceOfLife } from '../observed/evidence.ts';
import { forgetGate } from './gate.ts';
import { askAnew } from '../observed/health.ts';
import { isOutward, PHASES } from '../model/phase.ts';
import { onSignOut } from './sign-out.ts';
import type { App, State } from '../model/state.ts';
import { emit, type EventOf, patch, resave, type Turn } from '../draft.ts';
import type { LifeSigns, Proof } from '../model/observation.ts';

/** Events about the application: its health, its end, its return. */

/** A process answers, but it may not be ours; which process it is has to be proven again. */
export function onProbed(turn: Turn, { health, signedOut }: EventOf<'probed'>): void {
  const { app, health: before, sources } = turn.state;
  patch(turn, { health });
  if (health === 'up' && before !== 'up')
    for (const [name, { error }] of Object.entries(sources))
      if (error !== null) emit(turn, { type: 'log', level: 'warn', text: `${name}: ${error}` });
  const isMissing = app.gone || app.remains !== null;
  if (health === 'up' && isMissing && app.start !== 'sent')
    isThere(turn, { ...app, gone: false, start: 'none' });
  if (signedOut !== null) onSignOut(turn, signedOut);
}

/** An operator or supervisor has started it again: sessions are counted anew. */
export function seeAlive(turn: Turn, begun: number): void {
  const { app, phase } = turn.state;
  if (!app.gone || begun <= app.goneAt || PHASES[phase].ending || app.start === 'sent') return;
  isThere(turn, { ...app, gone: false });
  emit(turn, { type: 'log', level: 'warn', text: 'the application answers again' });
}

/** Another process than the one that is gone. */
function isThere(turn: Turn, app: App): void {
  const wasGone = turn.state.app.gone;
  patch(turn, { app: { ...app, remains: null } });
  // After a crash it must not be taken for gone.
  if (wasGone) resave(turn);
  forgetGate(turn);
}

/** It is gone without our doing: its sessions are gone with it, and on the way back that is a failure. */
export function onAppGone(turn: Turn, { signs }: EventOf<'app-gone'>): void {
  const { app, phase } = turn.state;
  if (PHASES[phase].ending || app.start === 'sent') return;
  // The end of a child is seen by its parent.
  const evidence = turn.policy.supervises ? [] : evidenceAgainstEnd(turn, signs);
  if (evidence.length > 0) return doubtEnd(turn, evidence);
  if (app.gone) return;
  emit(turn, { type: 'log', level: 'warn', text: 'the application is gone' });
  askAnew(turn);
  patch(turn, { app: { ...app, gone: true, goneAt: turn.at, proof: null } });
  forgetGate(turn);
  if (phase === 'warming' && app.start === 'done') failWarming(turn, 'it ended right after its start');
}

/**
 * Once the application is believed gone, only an unhealthy probe begun since is missing; a healthy one is its own
 * event.
 */
export function evidenceAgainstEnd({ policy, state: { app, health } }: Turn, signs: LifeSigns): string[] {
  return evidenceOfLife(policy, app.gone ? 'down' : health, signs);
}

/** Its process has ended, and it answers: another one, which no proof names, may be the application by now. */
export function doubtEnd(turn: Turn, evidence: readonly string[]): void {
  const { app } = turn.state;
  if (!app.gone && app.proof === null) return;
  const text = `the process of the application has ended; yet the application may be running (${evidence.join(', ')})`;
  emit(turn, { type: 'log', level: 'warn', text });
  isThere(turn, { ...app, gone: false, proof: null });
}

/** Users who have come to it since are counted, and a stop is for this process now. */
export function onAppBack(turn: Turn, proof: Proof): void {
  const { app, phase } = turn.state;
  if (PHASES[phase].ending || app.start === 'sent') return;
  const how = app.gone || app.proof === null ? 'runs again' : 'has replaced itself and runs on';
  emit(turn, { type: 'log', level: 'warn', text: `the application ${how}, as process ${proof.pid}` });
  isThere(turn, { ...app, gone: false, proof });
}

/** The process has ended and it is unknown which one replaced it, if any; a stop has to look it up first. */
export function isProofMissed({ app, op, phase }: State): boolean {
  if (PHASES[phase].ending || app.start === 'sent') return false;
  const isToStop = (op?.kind === 'stop' || op?.kind === 'restart') && isOutward(phase);
  return app.gone || (app.proof === null && isToStop);
}
