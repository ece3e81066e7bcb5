import type { Unlocked, UnlockRequest } from '../engine/unlock.ts';
import type { Service, Submitted } from '../engine/service.ts';
import type { Request, Result, StatusOperation } from '../lifecycle/model/api.ts';

/** Called for every operation, whatever made the request. Nothing here may throw. */
export interface ServiceObserver {
  /** A request was answered: it begins, joins another one, or is refused. */
  asked?(request: Request, submitted: Submitted): void;
  /**
   * An operation runs without a request to this sidecar: the application's own sign-out, or one from before a
   * restart.
   */
  found?(operation: StatusOperation, resumed: boolean): void;
  /** It has ended, or was refused; always after its beginning. The end of one that joined is that of the operation. */
  ended?(result: Result): void;
  /** The slot of another node was freed, or was not. */
  unlocked?(request: UnlockRequest, answer: Unlocked): void;
  cancelled?(id: string, by: string, answer: ReturnType<Service['cancel']>): void;
}

/** The same service, which calls `observer` for each operation. */
export function withObserver(service: Service, observer: ServiceObserver): Service {
  /** Requests handed in and not yet answered. */
  const open = new Map<string, Request>();
  /** Operations whose beginning was reported, and whose end was not. */
  const begun = new Set<string>();

  const answer = (id: string, submitted: Submitted): void => {
    const request = open.get(id);
    if (!open.delete(id) || request === undefined) return;
    if (submitted.accepted) begun.add(submitted.id);
    observer.asked?.(request, submitted);
    if (!submitted.accepted) observer.ended?.(submitted.result);
  };
  service.watch({
    status({ operation, phase }) {
      if (operation === null || open.has(operation.id) || begun.has(operation.id)) return;
      begun.add(operation.id);
      observer.found?.(operation, phase === 'recovering');
    },
    result(result) {
      // A request for which there is nothing to do ends before it is answered.
      const joined = result.joined?.some(({ id }) => id === result.id) ?? false;
      answer(result.id, { accepted: true, id: result.id, joined });
      begun.delete(result.id);
      if (!joined) observer.ended?.(result);
    },
    slotFreed: (freed) => observer.unlocked?.(freed, freedByItself(freed)),
  });
  return {
    async submit(request) {
      open.set(request.id, request);
      try {
        const submitted = await service.submit(request);
        answer(request.id, submitted);
        return submitted;
      } finally {
        open.delete(request.id);
      }
    },
    cancel(id, by) {
      const answered = service.cancel(id, by);
      observer.cancelled?.(id, by, answered);
      return answered;
    },
    result: (id) => service.result(id),
    status: () => service.status(),
    holders: () => service.holders(),
    async unlock(request) {
      const freed = await service.unlock(request);
      observer.unlocked?.(request, freed);
      return freed;
    },
    pool: () => service.pool(),
    watch: (listener) => service.watch(listener),
  };
}

/** As `unlock` would have answered. */
function freedByItself({ node, reason }: UnlockRequest): Unlocked {
  return { ok: true, code: 'done', node, message: `${node}: its slot is free: ${reason}` };
}
