import type { Code } from '../../agent/system/error.ts';
import type { DirectService } from '../../agent/cli/ports.ts';
import type { Listener, Submitted } from '../../agent/engine/service.ts';
import type { Phase, Request, Result } from '../../agent/lifecycle/model/api.ts';

import { HOLDERS, lineOf, POOL, resultOf, statusOf } from './scripted-answers.ts';

/**
 * A service that does what the test sets, and nothing by itself: it replaces the engine, so that control and the
 * command line are tried alone. It keeps the promises that they rely on: one operation at a time, the same one is
 * joined under an id of one's own, a listener is called for every change.
 */
export interface ScriptedService extends DirectService {
  /** What was handed in, in order. */
  readonly requests: readonly Request[];
  /** The cancelled ones, `ID by CALLER`. */
  readonly cancelled: readonly string[];
  readonly closed: boolean;
  readonly listeners: number;
  /** How often the open connections were asked for. */
  readonly holdersAsked: number;
  /** The next request is refused with this code. */
  refuseNext(code: Code, message: string): void;
  /** The next submission fails with this error, and until then the open connections are refused. */
  failNext(error: Error): void;
  /** The stop has been issued: nothing can be cancelled any more. */
  tooLate(): void;
  show(phase: Phase, sessions: number | null): void;
  /** Ends the running operation. */
  finish(code: Code, more?: Partial<Result>): void;
  /** Resolves when this many requests were handed in. */
  submitted(count: number): Promise<void>;
}

/** What `openControl` waits for: this service knows its operations from the beginning. */
export const ready = Promise.resolve();

export function createScriptedService(node = 'app1'): ScriptedService {
  const requests: Request[] = [];
  const cancelled: string[] = [];
  const results = new Map<string, Result>();
  const listeners = new Set<Listener>();
  const waiting = new Set<() => void>();
  let refusal: { code: Code; message: string } | null = null;
  let failure: Error | null = null;
  let running: Request | null = null;
  let joiners: readonly Request[] = [];
  let late = false;
  let closed = false;
  let holdersAsked = 0;
  let status = statusOf(node, 'serving', 0, null);

  const show = (phase: Phase, sessions: number | null): void => {
    status = statusOf(node, phase, sessions, running);
    for (const listener of listeners) listener.status(status);
  };
  const finish = (code: Code, more: Partial<Result> = {}): void => {
    if (running === null) throw new Error('nothing runs');
    const joined = joiners.map(lineOf);
    const ended = [
      ...joiners.map((one) => ({ ...resultOf(one, status, code), joined: [lineOf(one)], ...more })),
      { ...resultOf(running, status, code), ...(joined.length > 0 && { joined }), ...more },
    ];
    running = null;
    joiners = [];
    show(more.phase ?? status.phase, status.sessions.total);
    for (const result of ended) {
      results.set(result.id, result);
      for (const listener of listeners) listener.result(result);
    }
  };
  const accept = (request: Request): Submitted => {
    if (refusal !== null) {
      const { code, message } = refusal;
      refusal = null;
      return { accepted: false, result: { ...resultOf(request, status, code), message } };
    }
    if (running === null) {
      running = request;
      show('draining', status.sessions.total);
      return { accepted: true, id: request.id, joined: false };
    }
    if (running.kind === request.kind) {
      joiners = [...joiners, request];
      return { accepted: true, id: request.id, joined: true, joins: running.id };
    }
    const message = `${running.kind} by ${running.by} is running`;
    return { accepted: false, result: { ...resultOf(request, status, 'busy'), message } };
  };

  return {
    // As a node whose pool has no slot of that name.
    unlock: async ({ node: freed }) => ({
      ok: true,
      code: 'done',
      node: freed,
      message: `${freed} holds no slot at file /run/lock/lastcall/app`,
    }),
    requests,
    cancelled,
    get closed() {
      return closed;
    },
    get listeners() {
      return listeners.size;
    },
    refuseNext: (code, message) => void (refusal = { code, message }),
    failNext: (error) => void (failure = error),
    tooLate: () => void (late = true),
    show,
    finish,
    async submitted(count) {
      while (requests.length < count) await new Promise<void>((resolve) => waiting.add(resolve));
    },
    async submit(request) {
      requests.push(request);
      for (const wake of waiting) wake();
      waiting.clear();
      if (failure !== null) {
        const error = failure;
        failure = null;
        throw error;
      }
      return accept(request);
    },
    result: (id) =>
      results.get(id) ?? (running?.id === id || joiners.some((one) => one.id === id) ? 'running' : undefined),
    cancel(id, by) {
      if (running?.id !== id) return 'unknown';
      if (late) return 'too-late';
      cancelled.push(`${id} by ${by}`);
      show('returning', status.sessions.total);
      return 'cancelling';
    },
    status: () => status,
    get holdersAsked() {
      return holdersAsked;
    },
    async holders() {
      holdersAsked += 1;
      if (failure !== null) throw failure;
      return HOLDERS;
    },
    async pool() {
      if (failure !== null) throw failure;
      return POOL;
    },
    watch(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    async close() {
      closed = true;
    },
  };
}
