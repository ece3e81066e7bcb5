import { MOST_TICKETS } from './join.ts';
import { blockedBy } from '../observed/pool-text.ts';
import { CUT } from '../phases/reboot.ts';
import { goOnWithoutSlot, isSlotNeeded, UNREFUSED_WAIT_MS } from '../phases/slot.ts';
import { onlyWarns, type Objection } from '../model/objection.ts';
import type { Candidate } from '../model/operation.ts';
import type { Request } from '../model/api.ts';
import { type Slot, type SlotRequest, takesOut } from '../model/slot.ts';
import { answer, dropAcceptance, refuse } from '../report/result.ts';
import { emit, patch, resave, save, type Draft } from '../step-draft.ts';
import { onOwnRequestAnswered } from '../observed/auto-requests.ts';

/**
 * The slot that a request needs in its pool, asked for when no check has an objection, or the guard alone has one that a
 * node on that slot may be the cause of: it has one, is refused, or is accepted and waits. After a wait everything is asked anew.
 */

/** How many of the waiting callers are named to one more who cannot wait. */
const MOST_NAMED = 5;

/** `go` with the warnings of a request that cannot be refused; `wait`: the lock has not answered; `over`: refused, or waits. */
export type SlotAnswer = { readonly go: readonly string[] } | 'wait' | 'over';

/**
 * Whether a request that would wait for a slot is refused by the guard alone, and holds none yet: too few others are there
 * because one of them is out on that slot, perhaps. Then the lock is asked: a request that gets the slot is checked anew.
 */
export function mayBeOthersTurn(
  { policy, state: { slot } }: Draft,
  { request, turnAt }: Candidate,
  objections: readonly Objection[],
): boolean {
  if (request.waitForSlotMs == null || policy.pool === null || !takesOut(request.kind)) return false;
  const wasHeld = turnAt === null && (slot?.is === 'held' || slot?.isOver === true);
  const refusing = objections.filter(({ soft, code }) => soft !== true && !onlyWarns(request, code));
  return !wasHeld && refusing.length > 0 && refusing.every(({ code }) => code === 'guard');
}

/** @param candidate all of whose checks are in */
export function askForSlot(draft: Draft, candidate: Candidate): SlotAnswer {
  const { request } = candidate;
  const { slot } = draft.state;
  const turnAt = candidate.turnAt ?? draft.at;
  if (!isSlotNeeded(draft, request.kind, turnAt)) return { go: [] };
  const objection = slot === null || candidate.turnAt === null ? 'unknown' : objectionOf(draft, slot, turnAt);
  if (objection === 'unknown') {
    if (onlyWarns(request, 'locked') && draft.at >= turnAt + UNREFUSED_WAIT_MS) {
      const unknown = `${draft.policy.node}: the lock has not answered`;
      return { go: [`${unknown}; this ${request.kind} cannot be refused and goes on`] };
    }
    patch(draft, { candidate: { ...candidate, turnAt } });
    return 'wait';
  }
  if (onlyWarns(request, objection.code)) {
    goOnWithoutSlot(draft);
    return { go: [`${objection.message}; this ${request.kind} cannot be refused and goes on`] };
  }
  const waitMs = request.waitForSlotMs ?? null;
  if (objection.code === 'locked' && slot?.error === null && waitMs !== null)
    waitForSlot(draft, request, waitMs);
  else refuse(draft, request, candidate.at, objection.code, objection.message);
  return 'over';
}

/**
 * The lock's objection, by an answer to a question that was asked since then. A slot that was freed from outside is not in the
 * answer at all: it is asked for anew first.
 */
function objectionOf(
  { policy }: Draft,
  { claim, view, error, begun }: Slot,
  since: number,
): Objection | 'unknown' {
  if (begun < since) return 'unknown';
  if (error !== null || view === null)
    return { code: 'locked', message: `${policy.node}: ${error ?? 'no answer'}; nothing was changed` };
  const isAsked = [...view.holders, ...view.waiters].some((one) => one.claim.id === claim.id);
  return isAsked ? blockedBy(policy.node, claim, view) : 'unknown';
}

/**
 * A new request is accepted as soon as the disk holds it. One that was accepted and has lost the slot that had come waits
 * on, with what is left of its time: the record holds it already.
 */
function waitForSlot(draft: Draft, { accepted, ...request }: Request, waitMs: number): void {
  const { waiting } = draft.state;
  if (accepted !== undefined) return patch(draft, { waiting: [...waiting, { request, ...accepted }] });
  if (waiting.length >= MOST_TICKETS)
    return refuse(draft, request, draft.at, 'busy', crowded(draft.policy.node, waiting));
  const one: SlotRequest = { request, since: draft.at, deadline: draft.at + waitMs };
  patch(draft, { waiting: [...waiting, one] });
  resave(draft);
  patch(draft, {
    pending: { kind: 'join', request, at: draft.at, ticket: request.id, save: draft.state.save },
  });
}

function crowded(node: string, waiting: readonly SlotRequest[]): string {
  const callers = [...new Set(waiting.map(({ request }) => request.by))];
  const named = callers.slice(0, MOST_NAMED).join(', ');
  const more = callers.length > MOST_NAMED ? ` and ${callers.length - MOST_NAMED} more callers` : '';
  const first = waiting[0]?.request;
  return `${node}: busy: ${waiting.length} requests wait for a slot already, by ${named}${more}, the first is ${first?.kind} ${first?.id}; wait for them or cancel them`;
}

/** An operator's `ready` wants the node in service: what would take it out later ends with it. */
export function withdrawWaiting(draft: Draft, message: string): void {
  endWaiting(draft, () => true, { code: 'cancelled', message });
}

/** Those that wait: their slot has come (or none is needed any more), the brake is on, or their time is over. */
export function advanceWaiting(draft: Draft): void {
  const { slot, waiting, queue } = draft.state;
  if (waiting.length === 0) return;
  if (draft.policy.pool === null || slot?.is === 'held') {
    patch(draft, {
      waiting: [],
      queue: [...waiting.map(({ request, ...accepted }) => ({ ...request, accepted })), ...queue],
    });
    return save(draft);
  }
  if (slot === null) return;
  const { policy, at } = draft;
  const { view, claim, deadHolders } = slot;
  const blocked = view === null ? null : blockedBy(policy.node, claim, view, deadHolders);
  if (blocked?.code === 'braked') return endWaiting(draft, () => true, blocked);
  const why = slot.error ?? blocked?.message ?? `${policy.node}: the lock has not answered`;
  endWaiting(draft, ({ deadline }) => at >= deadline, { code: 'locked', message: why });
}

/** The machine has booted while they waited: a reboot is not asked for once more, and its slot is wanted no longer. */
export function endCutWaiting(draft: Draft): void {
  const message = `${draft.policy.node}: ${CUT}; nothing was changed, \`lastcall reboot\` asks anew`;
  endWaiting(draft, ({ request }) => request.kind === 'reboot', { code: 'failed', message });
}

type WaitEnding = Omit<Objection, 'code'> & { readonly code: Objection['code'] | 'cancelled' };

function endWaiting(draft: Draft, whose: (one: SlotRequest) => boolean, { code, message }: WaitEnding): void {
  const ended = draft.state.waiting.filter(whose);
  if (ended.length === 0) return;
  patch(draft, { waiting: draft.state.waiting.filter((one) => !ended.includes(one)) });
  for (const { request, since } of ended) {
    const result = { ...answer(draft, request, since, code, []), message };
    emit(draft, { type: 'finish', refused: false, result });
    dropAcceptance(draft, request.id);
    onOwnRequestAnswered(draft, request.id, message);
  }
  save(draft);
}

/** The claim could not be written: nothing may be asked for that a crash would forget. */
export function onClaimUnsaved(draft: Draft, failed: number, error: string): void {
  const { candidate, slot } = draft.state;
  if (candidate?.turnAt == null || slot === null || slot.is !== 'unknown' || failed < slot.save) return;
  if (candidate.request.isShutdown) return goOnWithoutSlot(draft);
  const next = 'nothing was started; free the disk or mend its permissions';
  patch(draft, { candidate: null, slot: slot.asked === null ? null : slot });
  refuse(draft, candidate.request, candidate.at, 'state-write', `${error}; ${next}`);
}
