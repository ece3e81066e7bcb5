import { failWarming, giveUp } from './return.ts';
import { cancelHold } from './hold.ts';
import { PHASES } from '../model/phase.ts';
import { finish } from '../report/result.ts';
import type { State } from '../model/state.ts';
import { type EventOf, patch, save, type Turn } from '../draft.ts';

/** Cancelling: the operation's own id cancels it; the id of a caller who joined withdraws that request alone. */

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
  const { op, hold, boot } = state;
  const phase = boot?.to ?? state.phase;
  const isAsker = hold?.askers.some((asker) => asker.id === id) === true;
  const isTicket = op?.tickets.some((ticket) => ticket.id === id) === true;
  if (isAsker || (isTicket && op.id !== id)) return 'cancelling';
  return op?.id === id && PHASES[phase].cancel !== 'too-late' ? 'cancelling' : 'too-late';
}

/** Puts back what was found. A stop that was issued can no longer be taken back. */
export function onCancel(turn: Turn, { id, by }: Pick<EventOf<'cancel'>, 'id' | 'by'>): void {
  const { op, phase } = turn.state;
  if (cancelHold(turn, id, by) || !op) return;
  if (op.id !== id) return withdraw(turn, id, by);
  if (op.outcome) return;
  const { boot } = turn.state;
  if (boot) return patch(turn, { boot: { ...boot, cancel: { id, by } } });
  const { cancel } = PHASES[phase];
  if (cancel === 'restore') giveUp(turn, 'cancelled', `cancelled by ${by}; what was found is restored`);
  else if (cancel === 'stay') failWarming(turn, `cancelled by ${by}`, 'cancelled');
}

/** Withdraws a caller who had joined; the operation goes on, with the terms which that request added. */
function withdraw(turn: Turn, id: string, by: string): void {
  const { op } = turn.state;
  if (!op?.tickets.some((ticket) => ticket.id === id)) return;
  const message = `withdrawn by ${by}; the ${op.kind} ${op.id} goes on`;
  finish(turn, (ticket) => ticket.id === id, 'cancelled', message);
  save(turn);
}
