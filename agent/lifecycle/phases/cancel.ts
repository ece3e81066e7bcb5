import { failWarming, abort } from './return.ts';
import { cancelHold } from './hold.ts';
import { PHASES } from '../model/phase.ts';
import { finish } from '../report/result.ts';
import type { State } from '../model/state.ts';
import { type EventOf, patch, save, type Draft } from '../draft.ts';

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
export function onCancel(draft: Draft, { id, by }: Pick<EventOf<'cancel'>, 'id' | 'by'>): void {
  const { op, phase } = draft.state;
  if (cancelHold(draft, id, by) || !op) return;
  if (op.id !== id) return withdraw(draft, id, by);
  if (op.outcome) return;
  const { boot } = draft.state;
  if (boot) return patch(draft, { boot: { ...boot, cancel: { id, by } } });
  const { cancel } = PHASES[phase];
  if (cancel === 'restore') abort(draft, 'cancelled', `cancelled by ${by}; what was found is restored`);
  else if (cancel === 'stay') failWarming(draft, `cancelled by ${by}`, 'cancelled');
}

/** Withdraws a caller who had joined; the operation goes on, with the terms which that request added. */
function withdraw(draft: Draft, id: string, by: string): void {
  const { op } = draft.state;
  if (!op?.tickets.some((ticket) => ticket.id === id)) return;
  const message = `withdrawn by ${by}; the ${op.kind} ${op.id} goes on`;
  finish(draft, (ticket) => ticket.id === id, 'cancelled', message);
  save(draft);
}
