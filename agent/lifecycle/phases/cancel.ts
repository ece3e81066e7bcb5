import { failWarming, abort } from './return.ts';
import { cancelHold } from './hold.ts';
import { PHASES } from '../model/phase.ts';
import { answer, dropAcceptance, finish } from '../report/result.ts';
import type { State } from '../model/state.ts';
import { emit, type EventOf, patch, save, type Draft } from '../step-draft.ts';

/** Cancelling: the operation's own id cancels it; the id of a caller who joined withdraws that request alone. */

/** Whether a request is under way, or waits to be. */
export function isUnderWay(state: State, id: string): boolean {
  const { op, pending, candidate, queue, hold } = state;
  const waiting = [candidate?.request, pending?.request, ...queue, ...(hold?.askers ?? [])].map(
    (one) => one?.id,
  );
  const isTicket = op?.tickets.some((ticket) => ticket.id === id) === true;
  return op?.id === id || isTicket || waiting.includes(id) || waitsForSlot(state, id);
}

/** What a cancel by this id will do; `too-late`: the stop has been issued, or it is not known yet what to cancel. */
export function cancelOf(state: State, id: string): 'cancelling' | 'unknown' | 'too-late' {
  if (!isUnderWay(state, id)) return 'unknown';
  const { op, hold, boot } = state;
  const phase = boot?.to ?? state.phase;
  const isAsker = hold?.askers.some((asker) => asker.id === id) === true;
  const isTicket = op?.tickets.some((ticket) => ticket.id === id) === true;
  if (isAsker || waitsForSlot(state, id) || (isTicket && op.id !== id)) return 'cancelling';
  return op?.id === id && PHASES[phase].cancel !== 'too-late' ? 'cancelling' : 'too-late';
}

/** Puts back what was found. A stop that was issued can no longer be taken back. */
export function onCancel(draft: Draft, { id, by }: Pick<EventOf<'cancel'>, 'id' | 'by'>): void {
  const { op, phase } = draft.state;
  if (cancelHold(draft, id, by) || cancelWaiting(draft, id, by) || !op) return;
  if (op.id !== id) return withdraw(draft, id, by);
  if (op.outcome) return;
  const { boot } = draft.state;
  if (boot) return patch(draft, { boot: { ...boot, cancel: { id, by } } });
  const { cancel } = PHASES[phase];
  if (cancel === 'restore') abort(draft, 'cancelled', `cancelled by ${by}; what was found is restored`);
  else if (cancel === 'stay') failWarming(draft, `cancelled by ${by}`, 'cancelled');
}

function waitsForSlot({ waiting }: State, id: string): boolean {
  return waiting.some(({ request }) => request.id === id);
}

/** Nothing was begun for it. @returns false when it is no request that waits for a slot */
function cancelWaiting(draft: Draft, id: string, by: string): boolean {
  const { waiting } = draft.state;
  const one = waiting.find(({ request }) => request.id === id);
  if (one === undefined) return false;
  patch(draft, { waiting: waiting.filter((other) => other !== one) });
  const message = `cancelled by ${by} while it waited for a slot; nothing was changed`;
  const result = { ...answer(draft, one.request, one.since, 'cancelled', []), message };
  emit(draft, { type: 'finish', refused: false, result });
  dropAcceptance(draft, id);
  save(draft);
  return true;
}

/** Withdraws a caller who had joined; the operation goes on, with the terms which that request added. */
function withdraw(draft: Draft, id: string, by: string): void {
  const { op } = draft.state;
  if (!op?.tickets.some((ticket) => ticket.id === id)) return;
  const message = `withdrawn by ${by}; the ${op.kind} ${op.id} goes on`;
  finish(draft, (ticket) => ticket.id === id, 'cancelled', message);
  save(draft);
}
