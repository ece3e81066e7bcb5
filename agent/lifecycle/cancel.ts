import { failWarming, giveUp } from './back.ts';
import { cancelHold } from './hold.ts';
import { PHASES, type PhaseTraits } from './phases.ts';
import { finish } from './result.ts';
import type { State } from './state.ts';
import { type EventOf, patch, resave, save, type Turn } from './turn.ts';

/** Cancelling: only the id of the operation itself cancels it; that of a caller who joined withdraws him alone. */

/** Whether a request is under way, or waits to be. */
export function isUnderWay({ op, pending, candidate, queue, hold }: State, id: string): boolean {
  const waiting = [candidate?.request, pending?.request, ...queue, ...(hold?.askers ?? [])].map(
    (one) => one?.id,
  );
  return op?.id === id || op?.tickets.some((ticket) => ticket.id === id) || waiting.includes(id);
}

/** What a cancel by this id will do; `too-late`: the stop has been issued, or it is not known yet what to cancel. */
export function cancelOf(state: State, id: string): 'cancelling' | 'unknown' | 'too-late' {
  if (!isUnderWay(state, id)) return 'unknown';
  const { op, hold } = state;
  const isAsker = hold?.askers.some((asker) => asker.id === id) === true;
  const isTicket = op?.tickets.some((ticket) => ticket.id === id) === true;
  if (isAsker || (isTicket && op.id !== id)) return 'cancelling';
  return op?.id === id && cancelIn(state) !== 'too-late' ? 'cancelling' : 'too-late';
}

/** After a start what is under way is what the record says; unless it is to be restored, it is not known yet what to cancel. */
function cancelIn({ phase, boot }: State): PhaseTraits['cancel'] {
  const { cancel, place } = PHASES[phase];
  if (place !== 'unknown' || boot === null || PHASES[boot.to].cancel === 'restore') return cancel;
  return 'too-late';
}

/** Puts back what was found. A stop that was issued can no longer be taken back. */
export function onCancel(turn: Turn, { id, by }: EventOf<'cancel'>): void {
  const { op, phase } = turn.state;
  if (cancelHold(turn, id, by) || !op) return;
  if (op.id !== id) return withdraw(turn, id, by);
  if (op.outcome) return;
  const cancel = cancelIn(turn.state);
  const outcome = { code: 'cancelled', message: `cancelled by ${by}; what was found is restored` };
  if (cancel === 'restore' && PHASES[phase].place === 'unknown') {
    // Nothing is done before the first looks: the start goes on with it then, and takes in what was gained.
    patch(turn, { op: { ...op, outcome } });
    resave(turn);
  } else if (cancel === 'restore') giveUp(turn, outcome.code, outcome.message);
  else if (cancel === 'stay') failWarming(turn, `cancelled by ${by}`, 'cancelled');
}

/** A caller who had joined waits no more; the operation goes on, with the terms that he gave it. */
function withdraw(turn: Turn, id: string, by: string): void {
  const { op } = turn.state;
  if (!op?.tickets.some((ticket) => ticket.id === id)) return;
  const message = `withdrawn by ${by}; the ${op.kind} ${op.id} goes on`;
  finish(turn, (ticket) => ticket.id === id, 'cancelled', message);
  save(turn);
}
