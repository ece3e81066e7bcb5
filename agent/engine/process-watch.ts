import { isProofMissed } from '../lifecycle/app.ts';
import { PHASES } from '../lifecycle/phases.ts';
import type { State } from '../lifecycle/state.ts';
import type { Proof } from '../lifecycle/view.ts';
import type { Stopper } from '../shutdown/stopper.ts';
import type { Happening } from './perform.ts';
import type { Ports } from './ports.ts';

/**
 * An application that replaces itself is gone for an instant: its pid file still names the old process. So it is told to
 * be gone only when it was seen so twice, so far apart, and nothing else was named in its place meanwhile.
 */
const GONE_FOR_MS = 1_000;

/**
 * Looks whether the proven process is still there, and whether one that was missed is back. Only a proven process can be
 * missed, and only one that can be proven is back.
 * @returns one look; to be repeated
 */
export function createProcessWatch(
  { stopper, clock }: Pick<Ports, 'stopper' | 'clock'>,
  stateNow: () => State,
  post: (happening: Happening) => void,
  signal: AbortSignal,
): () => Promise<void> {
  let missed: { readonly proof: Proof; readonly since: number } | null = null;
  return async () => {
    stopper?.sight?.();
    const state = stateNow();
    const { proof } = state.app;
    const isGone = proof !== null && stopper?.gone(proof) === 'gone';
    if (!stopper || PHASES[state.phase].ending || !(isGone || isProofMissed(state))) {
      missed = null;
      return;
    }
    const found = await provenBy(stopper, signal);
    if (found) {
      missed = null;
      return post({ type: 'app-back', proof: found });
    }
    if (!isGone || isProofMissed(state)) return;
    if (missed?.proof.pid !== proof.pid || missed.proof.startTime !== proof.startTime)
      missed = { proof, since: clock.now() };
    if (clock.now() - missed.since >= GONE_FOR_MS) post({ type: 'app-gone' });
  };
}

/** A refusal says that it is not there, or not for certain. */
async function provenBy(stopper: Stopper, signal: AbortSignal): Promise<Proof | null> {
  const found = await stopper.check(signal).catch(() => null);
  return found && 'pid' in found ? found : null;
}
