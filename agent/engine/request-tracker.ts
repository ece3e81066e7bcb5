import type { Effect } from '../lifecycle/model/effect.ts';
import { hasJoined } from '../lifecycle/admission/join.ts';
import type { Request, Result, Status } from '../lifecycle/model/api.ts';
import type { Listener, Service, Submitted } from './service.ts';
import type { UnlockRequest } from './unlock.ts';

/** Where callers are answered: those that wait for a reply, the results of the last operations, the watchers. */
export interface RequestTracker extends Pick<Service, 'watch'> {
  submit(request: Request, send: () => void): Promise<Submitted>;
  reply(effect: Extract<Effect, { type: 'reply' }>): void;
  /**
   * Passes a result to the waiting callers and to the watchers.
   * @param kept resolves once that is allowed: it is on disk, or cannot be, and the lock knows what has become of the slot
   */
  finish(effect: Extract<Effect, { type: 'finish' }>, kept: Promise<void> | null): void;
  /** This node has freed the slot of another one: passes that to the watchers. */
  slotFreed(freed: UnlockRequest): void;
  /** `running`: it has ended, but is not published yet. */
  result(id: string): Result | 'running' | undefined;
  /** The results that an earlier sidecar had published, or was about to. */
  resume(results: readonly Result[]): void;
  /** The state has changed; the watchers get the new status if the change is visible there. */
  changed(): void;
}

/** Results kept for callers who ask late: a CLI that lost its connection asks within minutes, not after days. */
const KEPT_RESULTS = 200;

export function createRequestTracker(status: () => Status): RequestTracker {
  const waiting = new Map<string, (answer: Submitted) => void>();
  const results = new Map<string, Result>();
  const untold = new Set<string>();
  const listeners = new Set<Listener>();
  let shown = '';

  const answer = (id: string, submitted: Submitted): void => {
    waiting.get(id)?.(submitted);
    waiting.delete(id);
  };

  const tell = (result: Result): void => {
    results.set(result.id, result);
    for (const id of [...results.keys()].slice(0, Math.max(0, results.size - KEPT_RESULTS)))
      results.delete(id);
    answer(result.id, { accepted: true, id: result.id, joined: hasJoined(result) });
    for (const listener of listeners) listener.result(result);
  };

  return {
    submit: (request, send) =>
      new Promise((resolve) => {
        waiting.set(request.id, resolve);
        send();
      }),
    reply: ({ id, ticket, joins }) =>
      answer(id, { accepted: true, id: ticket, joined: joins !== null, ...(joins !== null && { joins }) }),
    finish({ result, refused }, kept) {
      const isRefusal = (): boolean => refused && waiting.has(result.id);
      const pass = (): void => (isRefusal() ? answer(result.id, { accepted: false, result }) : tell(result));
      if (kept === null) return pass();
      untold.add(result.id);
      void kept.then(() => {
        untold.delete(result.id);
        pass();
      });
    },
    slotFreed(freed) {
      for (const listener of listeners) listener.slotFreed?.(freed);
    },
    result: (id) => (untold.has(id) ? 'running' : results.get(id)),
    resume(before) {
      for (const result of before) results.set(result.id, result);
    },
    changed() {
      if (listeners.size === 0) return;
      const now = status();
      const face = faceOf(now);
      if (face === shown) return;
      shown = face;
      for (const listener of listeners) listener.status(now);
    },
    watch(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

/** The visible part of a status: everything but the times, which change by themselves. */
function faceOf(status: Status): string {
  const { phase, health, operation, balancers, sessions, slot, waits, etaReason, alarms } = status;
  const sources = sessions.sources.map(({ count, error }) => [count, error]);
  return JSON.stringify([
    phase,
    health,
    operation?.id,
    operation?.operation,
    balancers,
    sessions.total,
    sources,
    slot,
    waits,
    etaReason,
    alarms,
  ]);
}
