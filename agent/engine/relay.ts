import type { HoldersReport } from '../lifecycle/model/forecast.ts';
import type { PoolReport } from '../lifecycle/model/pool-report.ts';
import type { Request, Result, Status } from '../lifecycle/model/api.ts';
import type { Listener, Service, Submitted } from './service.ts';

/** One service over several engines, one after the other: callers and watchers stay while the engine changes. */
export interface Relay extends Service {
  /** Resolves once the present engine has read what is under way; not while it is being replaced. */
  ready(): Promise<void>;
  /** The present engine is about to close: callers that wait for its answer wait for the next engine's. */
  detach(): void;
  /** From now on this engine answers. */
  attach(engine: RelayedService): void;
}

/** An engine as far as the relay needs it. */
export type RelayedService = Service & { readonly ready: Promise<void> };

/** The engine that answers, and when it will not any more: a promise would hold what every request had waited for. */
interface Term {
  readonly engine: RelayedService;
  readonly over: AbortSignal;
  end(): void;
}

/** @param first may be attached before it has begun */
export function createRelay(first: RelayedService): Relay {
  const listeners = new Set<Listener>();
  const fan: Listener = {
    status: (status: Status) => each((listener) => listener.status(status)),
    result: (result: Result) => each((listener) => listener.result(result)),
    slotFreed: (freed) => each((listener) => listener.slotFreed?.(freed)),
  };
  const each = (tell: (listener: Listener) => void): void => {
    for (const listener of listeners) tell(listener);
  };
  let unwatch = first.watch(fan);
  let term = createTerm(first);
  /** Resolves with the next term while there is none. */
  let next: { readonly found: Promise<Term>; readonly give: (term: Term) => void } | null = null;
  const present = (): Promise<Term> => next?.found ?? Promise.resolve(term);

  return {
    async ready() {
      await (
        await present()
      ).engine.ready;
    },
    detach() {
      if (next !== null) return;
      let give = (_term: Term): void => undefined;
      const found = new Promise<Term>((resolve) => (give = resolve));
      next = { found, give };
    },
    attach(engine) {
      unwatch();
      unwatch = engine.watch(fan);
      const before = term;
      term = createTerm(engine);
      next?.give(term);
      next = null;
      before.end();
    },
    submit: (request) => submit(request, present),
    result: (id) => term.engine.result(id),
    cancel: (id, by) => term.engine.cancel(id, by),
    status: () => term.engine.status(),
    holders: (): Promise<HoldersReport> => term.engine.holders(),
    unlock: (request) => term.engine.unlock(request),
    pool: (): Promise<PoolReport> => term.engine.pool(),
    watch(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

function createTerm(engine: RelayedService): Term {
  const over = new AbortController();
  return { engine, over: over.signal, end: () => over.abort() };
}

/** A request that was lost with a closing engine goes to the next one, unless that one has it already. */
async function submit(request: Request, present: () => Promise<Term>): Promise<Submitted> {
  for (;;) {
    const { engine, over } = await present();
    await engine.ready;
    if (engine.result(request.id) !== undefined) return { accepted: true, id: request.id, joined: false };
    const answer = await unlessOver(() => engine.submit(request), over);
    if (answer !== null) return answer;
  }
}

/** @returns null where the term ends before the answer */
function unlessOver(work: () => Promise<Submitted>, over: AbortSignal): Promise<Submitted | null> {
  if (over.aborted) return Promise.resolve(null);
  return new Promise((resolve, reject) => {
    const end = (): void => resolve(null);
    over.addEventListener('abort', end, { once: true });
    const forget = (): void => over.removeEventListener('abort', end);
    work().finally(forget).then(resolve, reject);
  });
}
