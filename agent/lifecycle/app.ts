import { failWarming } from './back.ts';
import { ON_THE_WAY_OUT } from './operation.ts';
import { ask } from './requests.ts';
import type { State } from './state.ts';
import { emit, type EventOf, patch, type Turn } from './turn.ts';
import type { Proof } from './view.ts';

/** What is heard of the application: how it is, that it is gone, that it is back. */

/** What answers is there, whoever started it; which process it is has to be proven anew. */
export function onProbed(turn: Turn, { health, signedOut }: EventOf<'probed'>): void {
  patch(turn, { health });
  if (health === 'up' && turn.state.appGone && turn.state.start !== 'sent') patch(turn, { appGone: false });
  if (signedOut) onSignedOut(turn);
}

function onSignedOut(turn: Turn): void {
  const { phase, op, candidate } = turn.state;
  const { onSignOut } = turn.policy;
  if (onSignOut === 'ignore' || op || candidate || (phase !== 'serving' && phase !== 'unhealthy')) return;
  ask(turn, onSignOut, 'app', 'the application signed itself out');
}

/** Somebody has started it again: whoever has come to it since is counted again. */
export function seeAlive(turn: Turn, begun: number): void {
  const { appGone, goneAt, phase, start } = turn.state;
  if (!appGone || begun <= goneAt || phase === 'stopping' || start === 'sent') return;
  patch(turn, { appGone: false });
  emit(turn, { type: 'log', level: 'warn', text: 'the application answers again' });
}

/** It is gone without our doing: its sessions are gone with it, and on the way back that is a failure. */
export function onAppGone(turn: Turn): void {
  if (turn.state.phase === 'stopping') return;
  emit(turn, { type: 'log', level: 'warn', text: 'the application is gone' }, { type: 'reset-probe' });
  patch(turn, { appGone: true, goneAt: turn.at, proof: null, health: 'unknown' });
  if (turn.state.phase === 'warming' && turn.state.start === 'done')
    failWarming(turn, 'it ended right after its start');
}

/** Whoever has come to it since is counted, and a stop is for this process now. */
export function onAppBack(turn: Turn, proof: Proof): void {
  if (!isProofMissed(turn.state)) return;
  emit(turn, { type: 'log', level: 'warn', text: `the application runs again, as process ${proof.pid}` });
  patch(turn, { appGone: false, proof });
}

/** It has ended, and nobody knows yet which process it is now, if any; whoever is about to stop it has to know. */
export function isProofMissed({ appGone, proof, op, phase, start }: State): boolean {
  if (phase === 'stopping' || start === 'sent') return false;
  const isToStop = (op?.kind === 'stop' || op?.kind === 'restart') && ON_THE_WAY_OUT.includes(phase);
  return appGone || (proof === null && isToStop);
}
