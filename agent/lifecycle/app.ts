import { failWarming } from './back.ts';
import { forgetGate } from './gate.ts';
import { askAnew } from './health.ts';
import { isOutward, PHASES } from './phases.ts';
import { onSignOut } from './sign-out.ts';
import type { App, State } from './state.ts';
import { emit, type EventOf, patch, type Turn } from './turn.ts';
import type { Proof } from './view.ts';

/** What is heard of the application: how it is, that it is gone, that it is back. */

/** What answers is there, whoever started it; which process it is has to be proven anew. */
export function onProbed(turn: Turn, { health, signedOut }: EventOf<'probed'>): void {
  const { app } = turn.state;
  patch(turn, { health });
  if (health === 'up' && app.gone && app.start !== 'sent') isThere(turn, { ...app, gone: false });
  if (signedOut !== null) onSignOut(turn, signedOut);
}

/** It was started again by another hand: the users who have come to it since are counted again. */
export function seeAlive(turn: Turn, begun: number): void {
  const { app, phase } = turn.state;
  if (!app.gone || begun <= app.goneAt || PHASES[phase].ending || app.start === 'sent') return;
  isThere(turn, { ...app, gone: false });
  emit(turn, { type: 'log', level: 'warn', text: 'the application answers again' });
}

/** Another process than the one that is gone. */
function isThere(turn: Turn, app: App): void {
  patch(turn, { app });
  forgetGate(turn);
}

/** It is gone without our doing: its sessions are gone with it, and on the way back that is a failure. */
export function onAppGone(turn: Turn): void {
  const { app, phase } = turn.state;
  if (PHASES[phase].ending) return;
  emit(turn, { type: 'log', level: 'warn', text: 'the application is gone' });
  askAnew(turn);
  patch(turn, { app: { ...app, gone: true, goneAt: turn.at, proof: null } });
  forgetGate(turn);
  if (phase === 'warming' && app.start === 'done') failWarming(turn, 'it ended right after its start');
}

/** Users who have come to it since are counted, and a stop is for this process now. */
export function onAppBack(turn: Turn, proof: Proof): void {
  const { app, phase } = turn.state;
  const isMissed = isProofMissed(turn.state);
  const isReplaced = app.proof !== null && !PHASES[phase].ending && app.start !== 'sent';
  if (!isMissed && !isReplaced) return;
  const how = isMissed ? 'runs again' : 'has replaced itself and runs on';
  emit(turn, { type: 'log', level: 'warn', text: `the application ${how}, as process ${proof.pid}` });
  isThere(turn, { ...app, gone: false, proof });
}

/** It has ended, and nobody knows yet which process it is now, if any; whoever is about to stop it has to know. */
export function isProofMissed({ app, op, phase }: State): boolean {
  if (PHASES[phase].ending || app.start === 'sent') return false;
  const isToStop = (op?.kind === 'stop' || op?.kind === 'restart') && isOutward(phase);
  return app.gone || (app.proof === null && isToStop);
}
