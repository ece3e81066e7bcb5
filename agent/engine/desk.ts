import type { Effect } from '../lifecycle/effect.ts';
import type { Request, Result, Status } from '../lifecycle/operation.ts';
import type { Listener, Service, Submitted } from './service.ts';

/** Where people are answered: who waits for a reply, what became of the last operations, who watches. */
export interface Desk extends Pick<Service, 'watch'> {
  submit(request: Request, send: () => void): Promise<Submitted>;
  reply(effect: Extract<Effect, { type: 'reply' }>): void;
  finish(effect: Extract<Effect, { type: 'finish' }>): void;
  result(id: string): Result | undefined;
  /** The state is another one; the watchers hear of it if it shows. */
  changed(): void;
}

/** Results kept for callers who ask late: a CLI that lost its connection asks within minutes, not after days. */
const KEPT_RESULTS = 200;

export function createDesk(status: () => Status): Desk {
  const waiting = new Map<string, (answer: Submitted) => void>();
  const results = new Map<string, Result>();
  const listeners = new Set<Listener>();
  let shown = '';

  const answer = (id: string, submitted: Submitted): void => {
    waiting.get(id)?.(submitted);
    waiting.delete(id);
  };

  return {
    submit: (request, send) =>
      new Promise((resolve) => {
        waiting.set(request.id, resolve);
        send();
      }),
    reply: ({ id, ticket, joined }) => answer(id, { accepted: true, id: ticket, joined }),
    finish({ result, refused }) {
      if (refused && waiting.has(result.id)) return answer(result.id, { accepted: false, result });
      results.set(result.id, result);
      for (const id of [...results.keys()].slice(0, Math.max(0, results.size - KEPT_RESULTS)))
        results.delete(id);
      answer(result.id, { accepted: true, id: result.id, joined: false });
      for (const listener of listeners) listener.result(result);
    },
    result: (id) => results.get(id),
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

/** What shows: everything but the times, which change by themselves. */
function faceOf({ phase, health, operation, balancers, sessions, etaReason, alarms }: Status): string {
  const sources = sessions.sources.map(({ count, error }) => [count, error]);
  return JSON.stringify([
    phase,
    health,
    operation?.id,
    operation?.operation,
    balancers,
    sessions.total,
    sources,
    etaReason,
    alarms,
  ]);
}
