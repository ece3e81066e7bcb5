import { isHolding } from '../model/desired.ts';
import { PHASES } from '../model/phase.ts';
import { patch, type Draft } from '../step-draft.ts';
import { withdrawOwn, requestOwn } from '../observed/auto-requests.ts';

/**
 * The application has signed itself out: a level, followed once. While the probe shows it and no operation has
 * followed it, the node is drained as soon as a drain can begin.
 */
export function advanceSignOut(draft: Draft): void {
  const { phase, op, signedOut } = draft.state;
  const { onSignOut } = draft.policy;
  if (signedOut !== 'unheard' || onSignOut === 'ignore') return withdrawOwn(draft, 'sign-out');
  if (PHASES[phase].place !== 'rotation' || op !== null || isHolding(draft.state)) return;
  requestOwn(draft, 'sign-out', onSignOut, 'app', 'the application signed itself out');
}

/** @param signsOut by the last probe */
export function onSignOut(draft: Draft, signsOut: boolean): void {
  const { signedOut } = draft.state;
  if (!signsOut) patch(draft, { signedOut: 'no' });
  else if (signedOut === 'no') patch(draft, { signedOut: 'unheard' });
}
