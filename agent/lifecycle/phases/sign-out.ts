import { isHolding } from '../model/desired.ts';
import { PHASES } from '../model/phase.ts';
import { patch, type Turn } from '../draft.ts';
import { noWish, wish } from '../observed/auto-requests.ts';

/**
 * The application has signed itself out: a level, followed once. While the probe shows it and no operation has
 * followed it, the node is drained as soon as a drain can begin.
 */
export function turnSignOut(turn: Turn): void {
  const { phase, op, signedOut } = turn.state;
  const { onSignOut } = turn.policy;
  if (signedOut !== 'unheard' || onSignOut === 'ignore') return noWish(turn, 'sign-out');
  if (PHASES[phase].place !== 'rotation' || op !== null || isHolding(turn.state)) return;
  wish(turn, 'sign-out', onSignOut, 'app', 'the application signed itself out');
}

/** @param signsOut by the last probe */
export function onSignOut(turn: Turn, signsOut: boolean): void {
  const { signedOut } = turn.state;
  if (!signsOut) patch(turn, { signedOut: 'no' });
  else if (signedOut === 'no') patch(turn, { signedOut: 'unheard' });
}
